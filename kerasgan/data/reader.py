"""TensorFlow, which reads the data under every backend."""

import keras
import tensorflow as tf

if keras.backend.backend() != "tensorflow":
    # Otherwise TensorFlow would take all GPU memory, which the framework that trains needs.
    tf.config.set_visible_devices([], "GPU")
