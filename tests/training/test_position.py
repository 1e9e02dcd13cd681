import pathlib
import threading
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import BACKEND
from keras import ops

import kerasgan
from kerasgan import backend
from kerasgan.core.adversarial_model import AdversarialModel
from kerasgan.training.position import PositionWarning

POINTS = np.random.default_rng(0).normal(size=(44, 2)).astype("float32")
BATCH = 4


class InterruptionError(Exception):
    pass


class Interrupt(keras.callbacks.Callback):
    """Saves after a step, and ends training."""

    def __init__(self, path, epoch, step):
        super().__init__()
        self.path, self.at = path, (epoch, step)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch + 1) == self.at:
            self.model.save(self.path)
            raise InterruptionError


class Batches(keras.callbacks.Callback):
    """The numbers of the batches that callbacks hear of, by epoch."""

    def on_train_begin(self, logs=None):
        self.seen = {}

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = self.seen.setdefault(epoch, [])

    def on_train_batch_end(self, batch, logs=None):
        self.epoch.append(batch)


@keras.saving.register_keras_serializable()
class Tiny(AdversarialModel):
    """All that a training has, and next to nothing to compile: a player with two weights."""

    default_loss = "minimax"

    def __init__(self):
        super().__init__(seed=3)
        self.network = keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")]
        )

    @property
    def players(self):
        return {"judge": [self.network]}

    def default_optimizers(self):
        return {"judge": keras.optimizers.Adam(0.01)}

    def judge_loss(self, data, seed):
        noise = keras.random.normal((1,), seed=seed)
        return ops.mean(ops.square(self.network(data) - noise)), {}

    def train_step(self, data):
        data = keras.utils.unpack_x_y_sample_weight(data)[0]
        variables = self.part_variables("judge")
        loss, _ = backend.update(
            lambda: self.judge_loss(data, self.seed_generator), variables, self.optimizer["judge"]
        )
        return self.track({"judge_loss": loss})

    def test_step(self, data):
        return self.track({"judge_loss": self.judge_loss(data, self.evaluation_seed)[0]})

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls()


def tiny(steps_per_execution=1):
    gan = Tiny()
    gan.compile(steps_per_execution=steps_per_execution, jit_compile=False)
    return gan


def state(gan):
    variables = [*gan.weights, *gan.optimizer.variables, *gan._seed_states()]
    return [keras.ops.convert_to_numpy(v) for v in variables]


class Own(keras.utils.PyDataset):
    def __len__(self):
        return 11

    def __getitem__(self, index):
        return POINTS[index * BATCH : (index + 1) * BATCH]


def generator():
    while True:
        yield (POINTS[:BATCH],)


def numbered(**arguments):
    return kerasgan.data.from_array(POINTS, batch_size=BATCH, **arguments)


class PositionTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "gan.keras"

    def interrupted(self, data, epoch, step, epochs=3, fit=None, **compile_arguments):
        """A model whose training has ended there, loaded from its file."""
        interrupt = Interrupt(self.path, epoch, step)
        with self.assertRaises(InterruptionError):
            tiny(**compile_arguments).fit(
                data,
                batch_size=BATCH,
                epochs=epochs,
                verbose=0,
                callbacks=[interrupt],
                **(fit or {}),
            )
        return keras.saving.load_model(self.path)

    def check_continues(self, make_data, epoch=1, step=3, fit=None, **compile_arguments):
        whole, how = tiny(**compile_arguments), {"batch_size": BATCH, **(fit or {})}
        expected = whole.fit(make_data(), epochs=3, verbose=0, **how)
        gan = self.interrupted(make_data(), epoch, step, fit=fit, **compile_arguments)
        self.assertEqual((gan.epochs_trained, gan.position.step), (epoch, step))
        batches, initial_epoch = Batches(), gan.epochs_trained
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            found = gan.fit(
                make_data(),
                initial_epoch=initial_epoch,
                epochs=3,
                callbacks=[batches],
                verbose=0,
                **how,
            )
        first = [step + gan.steps_per_execution - 1] if step < 11 else []
        self.assertEqual(batches.seen[epoch][:1], first)
        self.assertEqual((gan.epochs_trained, gan.position.step), (3, 0))
        for ours, theirs in zip(state(gan), state(whole), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        for name, values in expected.history.items():
            self.assertEqual(found.history[name], values[epoch:], name)

    @parameterized.parameters(
        ("kerasgan.data", numbered),
        ("transformed", lambda: numbered().map(lambda x: x + 1.0).take(9)),
        ("arrays", lambda: POINTS),
        ("another data set", lambda: tf.data.Dataset.from_tensor_slices(POINTS).batch(BATCH)),
        ("Python", Own, {"shuffle": False}),
    )
    @pytest.mark.slow
    def test_an_interrupted_epoch_goes_on_bit_for_bit(self, name, make_data, fit=None):
        self.check_continues(make_data, fit=fit)

    def test_also_after_its_last_step(self):
        self.check_continues(numbered, epoch=0, step=11)

    def test_also_with_several_steps_an_execution(self):
        if BACKEND == "torch":
            self.skipTest("Keras runs one step at a time on PyTorch")
        self.check_continues(numbered, step=4, steps_per_execution=2)

    def test_in_the_same_process_too(self):
        whole = tiny()
        whole.fit(numbered(), epochs=2, verbose=0)
        whole.evaluate(numbered(), verbose=0)
        gan, data = tiny(), numbered()
        with self.assertRaises(InterruptionError):
            gan.fit(data, epochs=2, verbose=0, callbacks=[Interrupt(self.path, 1, 5)])
        gan.evaluate(data, verbose=0)
        gan.save(self.path)
        for model in (gan, keras.saving.load_model(self.path)):
            model.fit(data, initial_epoch=1, epochs=2, verbose=0)
            for ours, theirs in zip(state(model), state(whole), strict=True):
                np.testing.assert_array_equal(ours, theirs)

    def test_says_so_if_an_epoch_has_to_begin_anew(self):
        endless = numbered().repeat()
        for data, steps in ((numbered().take(7), None), (endless, 11), (generator(), 11)):
            gan = self.interrupted(numbered(), 1, 3, epochs=2)
            batches = Batches()
            with self.assertWarnsRegex(PositionWarning, "epoch 2, step 3 of 11.*starts again"):
                gan.fit(data, steps_per_epoch=steps, callbacks=[batches], verbose=0)
            self.assertEqual(batches.seen[0][0], 0)
        gan = self.interrupted(numbered(), 1, 3, epochs=2)
        gan.compile(steps_per_execution=1)  # another training
        gan.fit(numbered().take(7), callbacks=[batches], verbose=0)
        self.assertLen(batches.seen[0], 7)


class ClockTest(tf.test.TestCase):
    """The epoch is that of the model that is trained, whoever else is at the same time."""

    def trained(self, data, epochs, callbacks=(), gan=None):
        gan = gan or tiny()
        gan.fit(data, epochs=epochs, callbacks=list(callbacks), verbose=0)
        return state(gan)

    def resumed(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "gan.keras"
        gan = tiny()
        gan.fit(numbered(), epochs=1, verbose=0)
        gan.save(path)
        return keras.saving.load_model(path)

    @pytest.mark.slow
    def test_a_fit_within_a_fit(self):
        for data in (numbered(), numbered().map(lambda x: x * 1.0)):
            expected, of_probe = self.trained(data, 3), self.trained(data, 1)
            probes = []

            class Probe(keras.callbacks.Callback):
                def on_train_batch_end(self, batch, logs=None, data=data, probes=probes):
                    if batch == 5:
                        probe = tiny()
                        probe.fit(data, verbose=0)
                        probes.append(state(probe))

            found = self.trained(data, 2, [Probe()], self.resumed())
            for ours, theirs in zip(found, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)
            for probe in probes:
                for ours, theirs in zip(probe, of_probe, strict=True):
                    np.testing.assert_array_equal(ours, theirs)

    def test_two_threads_that_fit_at_once(self):
        data = numbered()
        expected = self.trained(data, 3), self.trained(data, 2)
        meet = threading.Barrier(2, timeout=60)

        class Together(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                meet.wait()

        found = {}

        def fit(index, gan):
            found[index] = self.trained(data, 2, [Together()], gan)

        models = self.resumed(), tiny()
        threads = [threading.Thread(target=fit, args=pair) for pair in enumerate(models)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for index in (0, 1):
            for ours, theirs in zip(found[index], expected[index], strict=True):
                np.testing.assert_array_equal(ours, theirs)
