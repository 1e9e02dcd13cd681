"""What setup.cfg cannot say: README's links lead somewhere on a package index, too."""

import pathlib
import re

from setuptools import setup

HOME = "https://github.com/kerasgan/kerasgan"

readme = pathlib.Path(__file__).with_name("README.md").read_text(encoding="utf-8")
readme = re.sub(r"!\[(.*?)\]\((?!http)(.*?)\)", rf"![\1]({HOME}/raw/main/\2)", readme)
readme = re.sub(r"(?<!!)\[(.*?)\]\((?!http)(.*?)\)", rf"[\1]({HOME}/blob/main/\2)", readme)

setup(long_description=readme, long_description_content_type="text/markdown")
