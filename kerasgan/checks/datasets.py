"""Batches of a `tf.data.Dataset`, which come to every framework, on their way to a step."""

import keras
import tensorflow as tf


def checked_dataset(dataset, check, limits, first):
    """A data set that `check` has looked at before a step does.

    A check in Python at each step would cost more than small networks do. So the graph compares
    with the limits, and Python looks at the first batches, and at what is outside.

    Args:
        dataset: `tf.data.Dataset` of batches.
        check: `kerasgan.checks.BatchCheck`.
        limits: the lowest and the highest value of each part of a batch: list of pairs.
        first: int, how many batches are looked at anyway.
    """

    def look(is_inside, *arrays):
        if not (is_inside and check.has_seen_enough):
            check(keras.tree.pack_sequence_as(dataset.element_spec, list(arrays)))
        return True

    def passed(index, batch):
        parts = keras.tree.flatten(batch)
        inside = [
            tf.reduce_all((part >= tf.cast(low, part.dtype)) & (part <= tf.cast(high, part.dtype)))
            for part, (low, high) in zip(parts, limits, strict=True)
        ]
        is_inside = tf.reduce_all(inside)
        seen = tf.cond(
            is_inside & (index >= first),
            lambda: True,
            lambda: tf.ensure_shape(tf.numpy_function(look, [is_inside, *parts], tf.bool), ()),
        )
        with tf.control_dependencies([seen]):
            return keras.tree.pack_sequence_as(
                dataset.element_spec, [tf.identity(p) for p in parts]
            )

    return dataset.enumerate().map(passed)
