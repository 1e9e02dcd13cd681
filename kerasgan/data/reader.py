"""TensorFlow as the reader of data, which it is under every backend."""

import keras
import tensorflow as tf

if keras.backend.backend() != "tensorflow":
    # TensorFlow would take all of a GPU's memory, which belongs to the framework that trains.
    tf.config.set_visible_devices([], "GPU")
