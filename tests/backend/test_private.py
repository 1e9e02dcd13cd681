"""Names that Keras and TensorFlow do not promise: they are there, or one is told."""

import contextlib
import functools
from unittest import mock

import keras
import tensorflow as tf
from absl.testing import parameterized
from backends import BACKEND, needs_backend

from kerasgan import backend
from kerasgan.backend import private

SAYS = (
    r"^{package} {version} does not have .*{name}.*, which kerasgan needs to .+\. "
    r"kerasgan is known to work with {package} \d.*; install one of these\.$"
)


def adam(variables=(), **kwargs):
    optimizer = keras.optimizers.Adam(**kwargs)
    optimizer.build(list(variables))
    return optimizer


def network():
    inputs = keras.Input((2,))
    inner = keras.Sequential([keras.layers.Dense(3), keras.layers.ReLU()])
    wrapped = keras.layers.SpectralNormalization(keras.layers.Dense(1))
    return keras.Model(inputs, wrapped(inner(inputs)))


class LayersTest(tf.test.TestCase):
    def test_are_found_at_any_depth(self):
        found = private.layers_of(network())
        names = [type(layer).__name__ for layer in found]
        self.assertEqual(names[0], "Functional")
        inner = ["Dense", "Functional", "InputLayer", "ReLU", "Sequential"]
        own = ["Functional", "InputLayer"]
        wrapped = ["Dense", "SpectralNormalization"]
        self.assertCountEqual(set(names), {*inner, *own, *wrapped})
        self.assertEqual(names.count("Dense"), 2)

    def test_one_is_found_by_what_it_made(self):
        model = network()
        self.assertIs(private.layer_before(model.outputs[0]), model.layers[-1])


class OptimizerTest(tf.test.TestCase):
    def test_variables_that_it_was_built_for(self):
        variables = [keras.Variable([1.0]), keras.Variable([2.0])]
        found = private.variables_moved_by(adam(variables))
        self.assertEqual([id(v) for v in found], [id(v) for v in variables])
        scaling = keras.optimizers.LossScaleOptimizer(adam())
        scaling.build(variables)
        self.assertLen(private.variables_moved_by(scaling), 2)

    def test_calls_are_more_than_updates(self):
        variable = keras.Variable([1.0])
        optimizer = adam([variable], gradient_accumulation_steps=2)
        for _ in range(3):
            optimizer.apply([keras.ops.ones(1)])
        calls = keras.ops.convert_to_numpy(private.calls_of(optimizer))
        updates = keras.ops.convert_to_numpy(optimizer.iterations)
        self.assertEqual((int(calls), int(updates)), (3, 1))

    def test_moments_of_adam_by_hand(self):
        variables = [keras.Variable([1.0]), keras.Variable([2.0])]
        optimizer = adam(variables, beta_1=0.5, beta_2=0.75)
        optimizer.apply([keras.ops.ones(1), 2.0 * keras.ops.ones(1)])
        mean, square = private.adam_moments(optimizer, variables[1])
        self.assertAllClose(keras.ops.convert_to_numpy(mean), [0.5 * 2.0])
        self.assertAllClose(keras.ops.convert_to_numpy(square), [0.25 * 4.0])


class MetricTest(tf.test.TestCase):
    def test_direction(self):
        self.assertEqual(private.direction_of(keras.metrics.BinaryAccuracy()), "up")
        self.assertEqual(private.direction_of(keras.metrics.MeanAbsoluteError()), "down")
        self.assertIsNone(private.direction_of(object()))


class FitTest(tf.test.TestCase):
    def test_tells_evaluate(self):
        calls = []

        class Model(keras.Sequential):
            def evaluate(self, *args, **kwargs):
                calls.append(private.is_from_fit(kwargs))
                return super().evaluate(*args, **kwargs)

        model = Model([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        data = (keras.ops.zeros((2, 1)), keras.ops.zeros((2, 1)))
        model.fit(*data, validation_data=data, verbose=0)
        model.evaluate(*data, verbose=0)
        self.assertEqual(calls, [True, False])


class TensorFlowTest(tf.test.TestCase):
    def test_sources_of_a_data_set(self):
        first, second = tf.data.Dataset.range(3), tf.data.Dataset.range(4)
        found = private.sources_of(tf.data.Dataset.zip(first, second))
        self.assertEqual([id(x) for x in found], [id(first), id(second)])
        self.assertEqual(private.sources_of(first), [])
        self.assertEqual(private.sources_of(iter(first)), [])

    def test_onednn_is_used_or_not(self):
        self.assertIsInstance(private.uses_onednn(), bool)

    @needs_backend("tensorflow", reason="gradients are added up by its tapes")
    def test_adding_up_can_be_changed(self):
        originals = []

        def change(original):
            originals.append(original)
            return lambda gradients: 10.0 * original(gradients)

        def gradient():
            x = tf.constant(3.0)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = x * x + 2.0 * x
            return float(tape.gradient(y, x))

        before = gradient()
        private.change_adding_up(change)
        changed = gradient()
        private.change_adding_up(lambda _: originals[0])
        # Trainings of later tests have to change it again.
        backend.tensorflow.add_in_order.cache_clear()
        self.assertEqual(before, 8.0)
        self.assertGreater(changed, before)
        self.assertEqual(gradient(), before)


def without(name, owner):
    """A context in which a class and its parents do not have an attribute."""

    @contextlib.contextmanager
    def context():
        with contextlib.ExitStack() as stack:
            for parent in owner.__mro__:
                if name in vars(parent):
                    stack.enter_context(mock.patch.object(parent, name))
                    delattr(parent, name)
            yield

    return context()


class MissingNamesTest(tf.test.TestCase, parameterized.TestCase):
    def says(self, name, package=("Keras", keras.__version__)):
        title, version = package
        pattern = SAYS.format(package=title, version=version.replace(".", r"\."), name=name)
        return self.assertRaisesRegex(RuntimeError, pattern)

    @parameterized.parameters(
        (private.layers_of, "_flatten_layers"),
        (private.layer_before, "_keras_history"),
        (private.variables_moved_by, "_trainable_variables"),
        (private.calls_of, "_iterations"),
    )
    def test_of_an_object(self, function, name):
        with self.says(name):
            function(object())

    @parameterized.parameters("_get_variable_index", "_momentums", "_velocities")
    def test_of_adam(self, name):
        variable = keras.Variable([1.0])
        optimizer = mock.Mock(spec=["_get_variable_index", "_momentums", "_velocities"])
        optimizer._get_variable_index.return_value = 0
        optimizer._momentums = optimizer._velocities = ["moment"]
        self.assertEqual(private.adam_moments(optimizer, variable), ("moment", "moment"))
        delattr(optimizer, name)
        with self.says(name):
            private.adam_moments(optimizer, variable)

    def test_directions_of_metrics(self):
        private._has_directions.cache_clear()
        self.addCleanup(private._has_directions.cache_clear)
        with mock.patch.object(keras.metrics, "MeanSquaredError", keras.metrics.Metric):
            with self.says("_direction"):
                private.direction_of(keras.metrics.Metric())

    def test_what_fit_tells(self):
        private._fit_tells.cache_clear()
        self.addCleanup(private._fit_tells.cache_clear)

        def fit(self, **kwargs):
            return self.evaluate(from_fit=True)

        with mock.patch.object(keras.Model, "fit", fit), self.says("_use_cached_eval_dataset"):
            private.is_from_fit({})

    def test_methods_that_are_overridden(self):
        private.check_overridden()
        for name in private.OVERRIDDEN[BACKEND]:
            with without(name, keras.Model), self.says(name):
                private.check_overridden()
        private.check_overridden()

    def test_every_backend_has_its_overridden_methods(self):
        self.assertEqual(set(private.OVERRIDDEN), {"tensorflow", "jax", "torch"})
        with self.assertRaises(RuntimeError):
            private.check_overridden("jax" if BACKEND == "tensorflow" else "tensorflow")

    def test_of_tensorflow(self):
        from tensorflow.python.eager import backprop
        from tensorflow.python.util import _pywrap_util_port

        says = functools.partial(self.says, package=("TensorFlow", tf.__version__))
        with mock.patch.object(_pywrap_util_port, "IsMklEnabled"):
            del _pywrap_util_port.IsMklEnabled
            with says("IsMklEnabled"):
                private.uses_onednn()
        with mock.patch.object(backprop, "_default_vspace"):
            del backprop._default_vspace
            with says("VSpace"):
                private.change_adding_up(lambda add_up: add_up)
        data = tf.data.Dataset.range(3)
        with without("_inputs", type(data)), says("_inputs"):
            private.sources_of(data)
