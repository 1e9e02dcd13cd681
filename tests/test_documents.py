"""Runs every code block of the documents and every example of the docstrings.

Training is cut to two steps of one epoch by Keras itself; otherwise the code runs as printed.
"""

import ast
import contextlib
import doctest
import importlib
import io
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

import kerasgan
from kerasgan.backend import SUPPORTED
from kerasgan.cli import main

ROOT = pathlib.Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])

# Their frameworks need not be installed.
OTHER_BACKENDS = {f"kerasgan.backend.{b}" for b in SUPPORTED if b != keras.backend.backend()}


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


def run_shell(line):
    """Runs a line of a shell block; what would take long is checked instead."""
    program, *arguments = shlex.split(line)
    if program == "kerasgan":
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


class DocumentTest(tf.test.TestCase):
    def test_code_blocks_run(self):
        ran = 0
        for document in DOCUMENTS:
            namespace = {"__name__": document.stem}
            with short_training(self.create_tempdir().full_path):
                for language, code in code_blocks(document.read_text()):
                    with self.subTest(document=document.name, code=code[:60]):
                        self.run_block(language, code, namespace)
                        ran += 1
        self.assertGreater(ran, 6)

    def run_block(self, language, code, namespace):
        with contextlib.redirect_stdout(io.StringIO()):
            if language == "python":
                exec(compile(code, "document", "exec"), namespace)
            elif language == "shell":
                for line in code.splitlines():
                    run_shell(line)
            else:
                self.fail(f"a code block is {language!r}; use python, shell, or indent text")

    def test_links_lead_somewhere(self):
        for document in DOCUMENTS:
            for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
                if "://" not in target:
                    self.assertTrue((document.parent / target).exists(), f"{document}: {target}")

    def test_examples_in_docstrings_run(self):
        globs = {"kerasgan": kerasgan, "keras": keras, "np": np}
        runner = doctest.DocTestRunner(verbose=False)
        for file in sorted((ROOT / "kerasgan").rglob("*.py")):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if name.endswith("__main__") or name in OTHER_BACKENDS:
                continue
            module = importlib.import_module(name)
            with short_training(self.create_tempdir().full_path):
                for test in doctest.DocTestFinder().find(module, globs={**vars(module), **globs}):
                    runner.run(test)
        self.assertGreater(runner.summarize().attempted, 20)
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
