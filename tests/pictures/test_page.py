"""Pages: what is put into them is shown as it is."""

import html.parser

import numpy as np
import tensorflow as tf
from backends import needs_backend

from kerasgan.pictures import page

pytestmark = needs_backend("tensorflow", reason="text is the same everywhere")

ODD = '<i>R&D</i> "it\'s" &amp; <script>'


class Parsed(html.parser.HTMLParser):
    """Tags with their attributes, and the text of each element, as a browser reads them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())


class PageTest(tf.test.TestCase):
    def test_names_are_shown_as_they_are_wherever_they_stand(self):
        picture = np.zeros((2, 3, 3), "uint8")
        whole = page.page(
            ODD,
            {
                ODD: [page.table([(ODD, ODD)], header=(ODD, ODD)), page.code(ODD)],
                "more": [page.paragraph(ODD), page.figure(picture, ODD), ODD],
            },
        )
        parsed = Parsed(whole[whole.index("<body>") :])
        self.assertEqual(
            " ".join(tag for tag, _ in parsed.tags),
            "body h1 h2 div table tr th th tr th td pre h2 p figure img figcaption",
        )
        self.assertEqual(parsed.texts, [*[ODD] * 7, "more", *[ODD] * 3])
        (image,) = (attributes for tag, attributes in parsed.tags if tag == "img")
        self.assertEqual(image["alt"], ODD)
        self.assertIn("<title>&lt;i&gt;R&amp;D", whole)

    def test_a_section_may_be_empty(self):
        parsed = Parsed(page.page("a", {"b": [], "c": [page.table([])]}))
        self.assertEqual(parsed.texts[-3:], ["a", "b", "c"])
