"""A headless Chromium for tests of web pages, where one is installed."""

import contextlib
import shutil

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: neither chromium, chromium-browser nor google-chrome"
)


@contextlib.contextmanager
def open_page(url):
    """A page of a browser of its own, as Playwright's `Page`; errors of its scripts are raised."""
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            page = browser.new_page(viewport={"width": 1000, "height": 800})
            problems = []
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(url)
            yield page
            assert not problems, problems
        finally:
            browser.close()
