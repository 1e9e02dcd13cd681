"""Data sets that differ from epoch to epoch."""

import copy

from kerasgan.training.data_order import epochs_in


class Epochs:
    """Makes the data set of each epoch; stored as the attribute `epochs` of a data set.

    Args:
        one_epoch: function from the number of an epoch and the number of a batch in it, int64
            tensors, to a `tf.data.Dataset` of the batches of that epoch from that batch on.
        steps: int, how many batches an epoch has.
        within: data set that `one_epoch` reads, which also needs to know the epoch.
        class_names: tuple of str, what the labels stand for, or None.

    Attributes:
        next_epoch: int, the epoch in which the data set is read next, when it does not follow a
            model.
    """

    def __init__(self, one_epoch, steps, within=None, class_names=None):
        self.one_epoch = one_epoch
        self.steps = steps
        self.within = epochs_in(within)
        self.class_names = class_names
        self.next_epoch = 0

    def transformed(self, transform):
        """The same, with the batches of each epoch transformed.

        Args:
            transform: function from a `tf.data.Dataset` to one with the same number of batches.
        """
        changed = copy.copy(self)
        changed.one_epoch = lambda epoch, first: transform(self.one_epoch(epoch, first))
        return changed

    def _count(self):
        epoch = self.next_epoch
        self.next_epoch += 1  # before it is read: nobody may ask for more than a part of it
        return epoch, 0

    def dataset(self, start=None):
        """The data set.

        Args:
            start: function without arguments that is called when an epoch's first batch is read and
                returns the number of the epoch and of the batch at which to begin; None counts
                epochs. Batches before that one are blank, and cost nothing.
        """
        from kerasgan.data.reader import tf

        def begin():
            epoch, first = self._count() if start is None else start()
            for epochs in self.within:
                epochs.next_epoch = epoch
            yield epoch, first

        def batches(epoch, first):
            rest = self.one_epoch(epoch, first)
            blank = tf.nest.map_structure(
                lambda spec: tf.zeros([size or 1 for size in spec.shape], spec.dtype),
                rest.element_spec,
            )
            return tf.data.Dataset.from_tensors(blank).repeat(first).concatenate(rest)

        number = tf.TensorSpec((), "int64")
        starts = tf.data.Dataset.from_generator(begin, output_signature=(number, number))
        dataset = starts.flat_map(batches)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps))
        dataset = dataset.prefetch(tf.data.AUTOTUNE)
        options = tf.data.Options()
        # Of several workers each keeps its share of every batch; there are no files to deal out.
        policy = tf.data.experimental.AutoShardPolicy.DATA
        options.experimental_distribute.auto_shard_policy = policy
        dataset = dataset.with_options(options)
        dataset.epochs = self
        return dataset
