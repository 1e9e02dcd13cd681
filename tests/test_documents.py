"""Runs every code block of the documents and every example of the docstrings.

Training is cut to two steps of one epoch by Keras itself; otherwise the code runs as printed.
"""

import ast
import contextlib
import doctest
import importlib
import io
import itertools
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import urllib.request
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from absl.testing import parameterized
from backends import needs_backend, without_graphs

import kerasgan
from kerasgan.backend import SUPPORTED
from kerasgan.cli import main
from kerasgan.cli.commands import commands
from kerasgan.serving import web
from kerasgan.serving.server import Server

pytestmark = [
    needs_backend("tensorflow", reason="models have tests of their own under the others"),
    pytest.mark.slow,
]

ROOT = pathlib.Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for folder in (".", "docs", "benchmarks", "savedmodels")
    for path in (ROOT / folder).glob("*.md")
)

# The frameworks of the others need not be installed.
WITH_EXAMPLES = sorted(
    path
    for path in (ROOT / "kerasgan").rglob("*.py")
    if re.search(r">>> (?!.*\+SKIP)", path.read_text())
    and (path.parent.name != "backend" or path.stem not in SUPPORTED)
)


def code_blocks(text):
    """Pairs of language and code of the fenced blocks of a Markdown text."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@contextlib.contextmanager
def short_training(folder):
    """Runs in `folder`, with training cut short."""
    keras.config.set_max_epochs(1)
    keras.config.set_max_steps_per_epoch(2)
    here = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        keras.config.set_max_epochs(None)
        keras.config.set_max_steps_per_epoch(None)


class Serving:
    """A server that a document has started, at ports of its own."""

    server = None

    def start(self, folder):
        listening = web.listen("127.0.0.1", 0)
        self.server = Server(folder, "127.0.0.1", 0, listening)
        self.server.start()

    def moved(self, text):
        """The text with the addresses of this server in place of the usual ones."""
        if self.server is None:
            return text
        text = text.replace("localhost:8500", f"localhost:{self.server.port}")
        return text.replace("http://localhost:8501/", self.server.url).replace(
            "http://localhost:8501", self.server.url.rstrip("/")
        )

    def stop(self):
        if self.server is not None:
            self.server.stop()


def check_container(arguments):
    """No container is started, but what a command names has to be there."""
    assert arguments[0] in ("run", "compose"), arguments
    for option, value in itertools.pairwise(arguments):
        if option == "-f":
            assert yaml.safe_load(pathlib.Path(value).read_text())["services"], value
        if option == "-v":
            folder, inside, _ = value.split(":")
            names = [a.partition(f"={inside}/")[2] for a in arguments if f"={inside}/" in a]
            assert names, arguments
            for name in names:
                assert (pathlib.Path(folder) / name).exists(), f"{folder} has no {name}"


def check_cluster(arguments):
    """No cluster is asked, but what a command names has to be there."""
    manifests = list(yaml.safe_load_all((ROOT / "docs/serving/kubernetes.yml").read_text()))
    named = {f"{m['kind'].lower()}/{m['metadata']['name']}" for m in manifests}
    if arguments[0] == "apply":
        assert (ROOT / "docs" / arguments[2]).exists(), arguments
    else:
        assert named & set(arguments), (arguments, named)


def run_request(arguments):
    """A request by curl, sent without it."""
    url, data = next(a for a in arguments if "://" in a), None
    if "-d" in arguments:
        data = arguments[arguments.index("-d") + 1].encode()
    with urllib.request.urlopen(urllib.request.Request(url, data)) as reply:
        assert json.load(reply), url


def run_shell(line, serving):
    """Runs a line of a shell block; what would take long is checked instead."""
    program, *arguments = shlex.split(serving.moved(line))
    if program == "kerasgan" and arguments[0] == "serve":
        serving.start(
            commands.commands["serve"].make_context("serve", arguments[1:]).params["folder"]
        )
    elif program == "docker":
        check_container(arguments)
    elif program == "kubectl":
        check_cluster(arguments)
    elif program == "curl":
        run_request(arguments)
    elif program == "saved_model_cli":
        command = [pathlib.Path(sys.executable).with_name(program), *arguments]
        subprocess.run(command, check=True, capture_output=True)
    elif program == "kerasgan":
        with mock.patch.object(sys, "argv", ["kerasgan", *arguments]):
            try:
                main()
            except SystemExit as exit_:
                if exit_.code:
                    raise AssertionError(f"{line}: exit code {exit_.code}") from exit_
    elif program == "make":
        subprocess.run(["make", "-n", *arguments], cwd=ROOT, check=True, capture_output=True)
    elif program == "python" and arguments[0].endswith(".py"):
        check_options(ROOT / arguments[0], [a for a in arguments[1:] if a.startswith("--")])
    else:
        raise AssertionError(f"no way to test the line {line!r}")


def check_options(script, options):
    """A script that takes minutes has to exist, to compile, and to know the options."""
    source = script.read_text()
    ast.parse(source)
    for option in options:
        assert f'"{option}"' in source, f"{script} has no option {option}"


class DocumentTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.named_parameters(
        (document.relative_to(ROOT).with_suffix("").as_posix().replace("/", "_"), document)
        for document in DOCUMENTS
        if code_blocks(document.read_text())
    )
    def test_code_blocks_run(self, document):
        namespace = {"__name__": document.stem}
        serving = Serving()
        self.addCleanup(serving.stop)
        with short_training(self.create_tempdir().full_path), without_graphs():
            for language, code in code_blocks(document.read_text()):
                with self.subTest(code=code[:60]):
                    self.run_block(language, code, namespace, serving)

    def run_block(self, language, code, namespace, serving):
        with contextlib.redirect_stdout(io.StringIO()):
            if language == "python":
                name = re.match(r"# (\w+\.py)\n", code)
                if name:  # the text says to write it to that file
                    pathlib.Path(name[1]).write_text(code)
                exec(compile(serving.moved(code), "document", "exec"), namespace)
            elif language == "shell":
                for line in code.splitlines():
                    run_shell(line, serving)
            else:
                self.fail(f"a code block is {language!r}; use python, shell, or indent text")

    def test_links_lead_somewhere(self):
        for document in DOCUMENTS:
            for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
                if "://" not in target:
                    self.assertTrue((document.parent / target).exists(), f"{document}: {target}")

    @parameterized.named_parameters(
        (file.relative_to(ROOT).with_suffix("").as_posix().replace("/", "_"), file)
        for file in WITH_EXAMPLES
    )
    def test_examples_in_docstrings_run(self, file):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(name)
        globs = {**vars(module), "kerasgan": kerasgan, "keras": keras, "np": np}
        runner = doctest.DocTestRunner(verbose=False)
        with short_training(self.create_tempdir().full_path), without_graphs():
            for test in doctest.DocTestFinder().find(module, globs=globs):
                runner.run(test)
        self.assertGreater(runner.summarize().attempted, 0)
        self.assertEqual(runner.summarize().failed, 0)


class ExampleTest(tf.test.TestCase):
    def test_faces_are_learned_and_printed(self):
        folder = self.create_tempdir().full_path
        script = [sys.executable, ROOT / "examples" / "vanilla_gan.py", "--out", folder]
        printed = subprocess.run(script, check=True, capture_output=True, text=True).stdout
        images = re.findall(r"\[\[(\S+) +(\S+)\]\s+\[(\S+) +(\S+)\]\]", printed)[:4]
        self.assertLen(images, 4)
        mean = np.mean(np.array(images, float), axis=0)
        self.assertAllClose(mean, [0.875, 0.125, 0.125, 0.875], atol=0.15)
        decisions = re.findall(r"D\(face\) = (\S+),", printed)
        self.assertAllClose(float(decisions[-1]), 0.5, atol=0.1)
        self.assertTrue((pathlib.Path(folder) / "faces.png").exists())

    def test_several_machines_are_found_and_one_is_enough(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        script = ROOT / "examples" / "several_machines.py"
        command = [sys.executable, script, "--out", folder / "run", "--epochs", "1"]
        subprocess.run(command, check=True, capture_output=True)
        self.assertTrue((folder / "run" / "model.keras").exists())
        self.assertFalse((folder / "run" / "backup").exists())

        scontrol = folder / "scontrol"
        scontrol.write_text("#!/bin/sh\necho node1; echo node2\n")
        scontrol.chmod(0o755)
        describe = "import several_machines, os; several_machines.describe_cluster(); "
        slurm = {"SLURM_PROCID": "1", "SLURM_JOB_NODELIST": "node[1-2]"}
        kubernetes = {"JOB_COMPLETION_INDEX": "0", "JOB_NAME": "digits", "SERVICE_NAME": "gan"}
        for environment, workers, index in (
            (slurm, ["node1:12345", "node2:12345"], 1),
            ({**kubernetes, "WORKERS": "2"}, ["digits-0.gan:12345", "digits-1.gan:12345"], 0),
        ):
            found = subprocess.run(
                [sys.executable, "-c", describe + "print(os.environ['TF_CONFIG'])"],
                env={**os.environ, **environment, "PATH": f"{folder}:{os.environ['PATH']}"},
                cwd=script.parent,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            expected = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
            self.assertEqual(json.loads(found), expected)

    def test_digits_run_twice_and_go_on(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        script = [sys.executable, ROOT / "examples" / "dcgan.py", "--out", folder]
        for epochs in (1, 2):
            subprocess.run([*script, "--epochs", str(epochs)], check=True, capture_output=True)
            self.assertTrue((folder / "savedmodels" / str(epochs) / "saved_model.pb").exists())
        self.assertLen((folder / "history.csv").read_text().splitlines(), 3)
