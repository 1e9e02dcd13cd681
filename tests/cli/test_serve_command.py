"""`kerasgan serve`: a process that serves until it is told to end, and what it refuses."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent import futures
from unittest import mock

import numpy as np
import pytest
from backends import needs_backend
from cli.test_commands import CommandTestCase, call
from served_models import pixels, zoo

from kerasgan.serving import Client, ServingError, web

pytestmark = needs_backend("tensorflow", reason="a server does not know what wrote its SavedModels")

TIMEOUT = 60.0
SIZE = 256


def pictures(num):
    return np.random.default_rng(0).integers(0, 256, (num, SIZE, SIZE, 1), dtype="uint8")


class ProcessTest(CommandTestCase):
    @contextlib.contextmanager
    def started(self, *arguments):
        """The command as a process of its own, and the addresses that it prints."""
        command = [sys.executable, "-m", "kerasgan", "serve", *map(str, arguments)]
        with subprocess.Popen(
            [*command, "--port", "0", "--rest-port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            watchdog = threading.Timer(TIMEOUT, process.kill)
            watchdog.start()
            try:
                lines = [process.stdout.readline() for _ in range(2)]
                if not lines[1]:
                    self.fail(process.stderr.read())
                self.assertRegex(lines[0], "^Serving colours .*production is TensorFlow Serving")
                found = re.fullmatch(
                    r"gRPC at (127\.0\.0\.1:\d+), REST .* (http://127\.0\.0\.1:\d+/); Ctrl-C .*\n",
                    lines[1],
                )
                self.assertIsNotNone(found, lines)
                yield process, found.groups()
            finally:
                watchdog.cancel()
                process.kill()

    @pytest.mark.slow
    def test_what_was_accepted_is_answered_after_sigterm(self):
        images = pictures(4)
        answered = threading.Event()

        def ask(number):
            client = clients[number % 2]
            try:
                answer = client.translate(images)
            except ServingError as error:
                return str(error)
            answered.set()
            return np.stack(answer)

        with contextlib.ExitStack() as stack:
            process, addresses = stack.enter_context(self.started(zoo().folder / "colours"))
            clients = [
                stack.enter_context(Client(address, "colours", retries=0, timeout=TIMEOUT))
                for address in addresses
            ]
            with Client(addresses[0], "colours", retries=100) as patient:  # until it is loaded
                self.assertEqual(patient.metadata()["version"], 1)
            for client in clients:
                self.assertEqual(client.metadata()["version"], 1)
            # A client that stops in the middle of a request keeps nobody from ending.
            port = int(addresses[1].rstrip("/").rpartition(":")[2])
            hanging = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            hanging.sendall(b"POST /v1/models/colours:predict HTTP/1.1\r\nContent-Length: 9\r\n")
            with futures.ThreadPoolExecutor(10) as pool:
                asked = [pool.submit(ask, number) for number in range(10)]
                self.assertTrue(answered.wait(TIMEOUT))
                before = sum(future.done() for future in asked)
                process.send_signal(signal.SIGTERM)
                answers = [future.result(TIMEOUT) for future in asked]
            out, err = process.communicate(timeout=TIMEOUT)
        self.assertEqual(
            (process.returncode, out), (0, "Answering the requests that are still open ...\n"), err
        )
        self.assertNotIn("Traceback", err)
        # What came after the signal was not accepted.
        refused = [answer for answer in answers if isinstance(answer, str)]
        self.assertEqual(set(refused) - {"UNAVAILABLE: the server is shutting down"}, set())
        self.assertGreater(len(answers) - len(refused), before + 1)
        expected = pixels(zoo().colours.translate(images / np.float32(127.5) - 1.0, seed=0))
        for answer in answers:
            if not isinstance(answer, str):
                self.assertLessEqual(np.abs(np.int64(answer) - expected).max(), 1)


class RefusalTest(CommandTestCase):
    def serve(self, folder=None, *more):
        folder = folder or zoo().folder / "classes"
        return ("serve", folder, "--port", 0, "--rest-port", 0, *more)

    def test_folders_without_models(self):
        self.assert_refused(self.serve(self.folder / "missing"), "missing.* does not exist")
        (self.folder / "empty").mkdir()
        self.assert_refused(self.serve(self.folder / "empty"), "empty holds no SavedModel that can")
        file = self.folder / "file"
        file.touch()
        self.assert_refused(self.serve(file), "file.* is a file")
        damaged = self.folder / "damaged" / "1"
        damaged.mkdir(parents=True)
        (damaged / "saved_model.pb").write_bytes(b"no graph")
        self.assert_refused(
            self.serve(self.folder / "damaged"), r"can be served \(damaged version 1: .+\)"
        )

    def test_ports_and_hosts_that_cannot_be_had(self):
        with web.listen("127.0.0.1", 0) as listening:
            port = listening.getsockname()[1]
            for option in ("--rest-port", "--port"):
                self.assert_refused(
                    self.serve(None, option, port), f"{option} {port} .*(in use|had)"
                )
        self.assert_refused(self.serve(None, "--host", "nowhere.invalid"), "--host nowhere.invalid")
        self.assert_refused(self.serve(None, "--port", 65536), "--port.*65536")

    @pytest.mark.slow
    def test_limits_that_are_none(self):
        for option in ("--max-images", "--max-queue", "--max-megabytes"):
            self.assert_refused(self.serve(None, option, 0), f"{option}.*0")

    def test_what_is_not_installed_is_named(self):
        for package in ("grpc", "flask", "waitress"):
            with mock.patch.dict(sys.modules, {package: None}):
                self.assert_refused(
                    self.serve(),
                    f"needs {package}, which is not .*pip install 'kerasgan\\[serving\\]'",
                )

    def test_help(self):
        self.assertRegex(call("--help").out, r"(?m)^  serve +Serve the SavedModels")
        self.assertIn("for development", call("serve", "--help").out)
