"""What TF-GAN makes of given arrays: the numbers that ours have to agree with.

Run as a program, `python tensorflow_gan_oracle.py CALLS INPUTS OUTPUTS`, in a process of its own,
because TF-GAN wants TensorFlow's first executor and an older Keras than ours. CALLS is JSON, a list
of `[function, options]`; INPUTS is an .npz file with the arguments, by the names that the functions
give them; OUTPUTS becomes one with `value INDEX` and `gradient INDEX NAME` for each call.
"""

import importlib
import inspect
import json
import os
import sys
import types
from unittest import mock

import numpy as np


def is_installed():
    return importlib.util.find_spec("tensorflow_gan") is not None


def load():
    """TensorFlow, and the namespace of TF-GAN's losses.

    TF-GAN's `__init__` files want tf.estimator, which TensorFlow no longer has; packages without
    any stand in for them.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # read when TensorFlow is imported
    tf = importlib.import_module("tensorflow")
    (root,) = importlib.util.find_spec("tensorflow_gan").submodule_search_locations
    for name, folder in (("tensorflow_gan", root), ("tensorflow_gan.python", f"{root}/python")):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [folder]
    return tf, importlib.import_module("tensorflow_gan.python.losses").wargs


def answer(calls, inputs):
    """The values of the calls, and their gradients with respect to what they were given."""
    tf, losses = load()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        given = {name: tf.constant(array) for name, array in inputs.items()}

        def discriminator(images, _):
            flat = tf.reshape(images, (images.shape[0], -1))
            return tf.tanh(flat @ given["hidden"]) @ given["out"]

        given |= {"discriminator_fn": discriminator, "discriminator_scope": "discriminator"}
        given |= {"generator_inputs": None}
        answers = {}
        # Where on the line between two images the gradient is penalized, TF-GAN draws itself.
        with mock.patch.object(tf.random, "uniform", return_value=given["shares"]):
            for index, (name, options) in enumerate(calls):
                function = getattr(losses, name)
                takes = inspect.signature(function).parameters
                arguments = {k: v for k, v in given.items() if k in takes}
                value = answers[f"value {index}"] = function(**arguments, **options)
                for k in inputs:
                    (gradient,) = tf.gradients(value, given[k], unconnected_gradients="zero")
                    answers[f"gradient {index} {k}"] = gradient
        return session.run(answers)


if __name__ == "__main__":
    with np.load(sys.argv[2]) as arrays:
        np.savez(sys.argv[3], **answer(json.loads(sys.argv[1]), dict(arrays)))
