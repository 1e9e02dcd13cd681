"""RunReport: a run on one page."""

import base64
import html.parser
import io
import pathlib

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from PIL import Image

import kerasgan
from kerasgan.callbacks import RunReport, SampleGrid

pytestmark = needs_backend("tensorflow", reason="text and pictures are the same everywhere")

IMAGES = kerasgan.data.from_array(
    np.random.default_rng(0).integers(0, 256, (8, 8, 8), dtype="uint8"), batch_size=8
)


def tiny_gan():
    keras.utils.set_random_seed(0)
    gan = kerasgan.VanillaGAN((8, 8, 1), latent_dim=2, hidden_units=(), seed=0)
    gan.compile(keras.optimizers.Adam(0.05))
    gan.run_eagerly = True  # the callbacks do not care, and tracing takes most of a short run
    return gan


class Page(html.parser.HTMLParser):
    """A page's cells by the heading of their row, its pictures by caption, and its tags."""

    def __init__(self, file):
        super().__init__()
        self.text = file.read_text(encoding="utf-8")
        self.open_tags, self.tags, self.links = [], [], []
        self.cells, self.pictures = {}, {}
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.links += [attributes[name] for name in ("src", "href") if name in attributes]
        if tag == "img":
            png = base64.b64decode(attributes["src"].removeprefix("data:image/png;base64,"))
            self.pictures[attributes["alt"]] = np.asarray(Image.open(io.BytesIO(png)))
        elif tag != "meta":
            self.open_tags.append(tag)

    def handle_endtag(self, tag):
        opened = self.open_tags.pop()
        if tag != opened:
            raise ValueError(f"<{opened}> is closed by </{tag}>.")

    def handle_data(self, data):
        if self.open_tags[-1:] == ["th"]:
            self.heading = data
        elif self.open_tags[-1:] == ["td"]:
            self.cells[self.heading] = data


class RunReportTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.get_temp_dir()) / "a<b>&c"

    def train(self, gan, epochs, initial_epoch=0, before=(), after=(), **settings):
        report = RunReport(self.folder, **settings)
        return gan.fit(
            IMAGES,
            initial_epoch=initial_epoch,
            epochs=epochs,
            callbacks=[*before, report, *after],
            verbose=0,
        ).history

    def page(self):
        return Page(self.folder / "report.html")

    def test_the_page_is_whole_and_needs_nothing_from_outside(self):
        self.train(tiny_gan(), epochs=1, before=[SampleGrid(self.folder)])
        page = self.page()
        self.assertEqual(page.open_tags, [])
        self.assertLen(page.links, 2)
        for link in page.links:
            self.assertStartsWith(link, "data:image/png;base64,")
        for outside in ("://", "url(", "@import", "<script"):
            self.assertNotIn(outside, page.text)

    def test_final_figures_are_the_last_logs(self):
        history = self.train(tiny_gan(), epochs=3, before=[SampleGrid(self.folder)])
        cells = self.page().cells
        self.assertEqual(cells["epochs"], "3")
        for name, values in history.items():
            self.assertEqual(cells[name], f"{values[-1]:.4g}")
            self.assertNotEqual(cells[name], f"{values[0]:.4g}")

    def test_settings_are_those_given_and_those_of_the_model(self):
        self.train(tiny_gan(), epochs=1, settings={"data": "noise", "batch_size": 8})
        cells = self.page().cells
        self.assertEqual(cells["data"], "noise")
        self.assertEqual(cells["batch_size"], "8")
        self.assertEqual(cells["model"], "VanillaGAN")
        self.assertEqual(cells["latent_dim"], "2")
        self.assertEqual(cells["loss"], "NonSaturating")
        self.assertEqual(cells["generator: weights"], str(2 * 64 + 64))
        self.assertRegex(cells["generator: optimizer"], r"^Adam\(learning_rate=0\.05, ")

    def test_pictures_are_the_curves_and_samples_from_the_first_to_the_last(self):
        self.train(tiny_gan(), epochs=6, before=[SampleGrid(self.folder)])
        pictures = self.page().pictures
        curves = pictures.pop("losses by epoch")
        self.assertGreater(curves.std(), 0)
        self.assertEqual(list(pictures), ["epoch 1", "epoch 3", "epoch 5", "epoch 6"])
        for caption, picture in pictures.items():
            number = int(caption.removeprefix("epoch "))
            file = self.folder / "samples" / f"epoch_{number:04d}.png"
            self.assertAllEqual(picture, np.asarray(Image.open(file)))

    def test_without_a_sample_grid_the_page_says_so(self):
        self.train(tiny_gan(), epochs=1)
        self.assertIn("No samples were drawn", self.page().text)
        self.assertLen(self.page().pictures, 1)

    def test_html_in_settings_and_in_the_name_of_the_run_is_shown_as_it_is(self):
        note = "<script>alert('\"&amp;\"')</script>"
        self.train(tiny_gan(), epochs=1, settings={"note": note, "<i>": 1})
        page = self.page()
        self.assertEqual(page.cells["note"], note)
        self.assertEqual(page.cells["<i>"], "1")
        self.assertNoCommonElements(page.tags, ["script", "i", "b"])
        self.assertIn("a&lt;b&gt;&amp;c</h1>", page.text)

    def test_a_long_run_can_be_watched(self):
        for seconds, watched in ((0.0, ["1", "2"]), (3600.0, [])):
            seen = []

            def look(epoch, logs, seen=seen):
                if (self.folder / "report.html").exists():
                    seen.append(self.page().cells["epochs"])

            self.folder = pathlib.Path(self.create_tempdir().full_path)
            watcher = keras.callbacks.LambdaCallback(on_epoch_end=look)
            self.train(tiny_gan(), epochs=2, seconds=seconds, after=[watcher])
            self.assertEqual(seen, watched)
            self.assertEqual(self.page().cells["epochs"], "2")

    def test_a_continued_run_is_reported_as_a_whole(self):
        gan = tiny_gan()
        self.train(gan, epochs=2, before=[SampleGrid(self.folder)])
        self.train(gan, epochs=3, initial_epoch=2, before=[SampleGrid(self.folder)])
        page = self.page()
        self.assertEqual(page.cells["epochs"], "3")
        self.assertContainsSubset(["epoch 1", "epoch 2", "epoch 3"], page.pictures)


if __name__ == "__main__":
    tf.test.main()
