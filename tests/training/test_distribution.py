import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend

SCRIPT = pathlib.Path(__file__).with_name("distributed_training.py")


@pytest.mark.slow
@needs_backend("tensorflow", "jax", reason="Keras trains on one device under PyTorch")
class DistributionTest(tf.test.TestCase):
    """Each run is a process (or two) of its own: devices are fixed when a process starts."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.finish(cls.start("single"))
        cls.single = np.load(cls.folder / "single.npz")

    @classmethod
    def start(cls, where, *arguments, **environment):
        return subprocess.Popen(
            [sys.executable, SCRIPT, where, cls.folder, *arguments],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @classmethod
    def start_workers(cls, *arguments):
        """A process for each list of arguments, in one cluster over loopback."""
        sockets = [socket.create_server(("localhost", 0)) for _ in arguments]
        addresses = [f"localhost:{s.getsockname()[1]}" for s in sockets]
        for s in sockets:
            s.close()
        tasks = [{"type": "worker", "index": index} for index, _ in enumerate(arguments)]
        configs = [json.dumps({"cluster": {"worker": addresses}, "task": t}) for t in tasks]
        both = zip(arguments, configs, strict=True)
        return [cls.start("worker", *given, TF_CONFIG=config) for given, config in both]

    @staticmethod
    def finish(process):
        output = process.communicate(timeout=900)[0]
        assert process.returncode == 0, output[-4000:]

    def assert_equal_to_single(self, file, resumed=None):
        """All weights, histories and samples, but the epochs before `resumed` went on."""
        results = np.load(self.folder / file)
        self.assertLen(self.single["penalty/history val_error"], 2)
        self.assertContainsSubset(["dcgan/weight 0", "penalty/weight 0"], results)
        for name in set(self.single) & set(results):
            expected = self.single[name]
            if resumed is not None and name.startswith(f"{resumed}/history"):
                expected = expected[1:]
            self.assertAllClose(expected, results[name], 1e-5, 1e-5, msg=f"{file}: {name}")
        return results

    @needs_backend("tensorflow", reason="tf.distribute")
    def test_two_devices_equal_one_also_after_a_restart(self):
        killed = self.start("mirrored", "--kill-in-epoch", "2")
        killed.communicate(timeout=900)
        self.assertEqual(killed.returncode, -signal.SIGKILL)
        self.finish(self.start("mirrored"))
        results = self.assert_equal_to_single("mirrored.npz", resumed="dcgan")
        first, second = results["penalty/latents"]
        self.assertAllClose(np.std(first), 1.0, atol=0.1)
        self.assertAllClose(np.std(second), 1.0, atol=0.1)
        self.assertLess(abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]), 0.1)
        of_jit, of_steps = results["penalty/refused"]
        self.assertRegex(of_jit, "jit_compile=True: .*tf.distribute.*use False or 'auto'")
        self.assertRegex(of_steps, "steps_per_execution=4: .*tf.distribute.*use 1 or 'auto'")

    @needs_backend("tensorflow", reason="tf.distribute")
    def test_two_workers_equal_one_also_after_one_was_killed(self):
        chief, worker = self.start_workers([], ["--kill-in-epoch", "2"])
        output = chief.communicate(timeout=900)[0]
        worker.communicate(timeout=900)
        self.assertEqual(worker.returncode, -signal.SIGKILL)
        self.assertNotEqual(chief.returncode, 0)
        self.assertIn("/task:1", output)
        run = self.folder / "run-worker-dcgan"
        self.assertTrue((run / "backup/latest.weights.h5").exists())
        for process in self.start_workers([], []):
            self.finish(process)
        for index in (0, 1):
            self.assert_equal_to_single(f"worker-{index}.npz", resumed="dcgan")
        self.assertLen(list((run / "samples").glob("epoch_*.png")), 2)
        self.assertFalse((run / "backup").exists())

    @needs_backend("jax", reason="keras.distribution")
    def test_four_devices_under_jax_equal_one(self):
        self.finish(self.start("parallel"))
        self.assert_equal_to_single("parallel.npz")
