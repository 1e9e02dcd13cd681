"""The contrastive loss of pairs, which CLIP is trained with."""

import keras
from keras import ops


def contrastive_loss(logits):
    """The symmetric cross-entropy of CLIP, which matches images with texts in both directions.

    Row i of the logits holds the similarities of image i to all texts of the batch, column j those
    of text j to all images; image i and text i belong together. The loss is the mean cross-entropy
    over rows and over columns, averaged over the two. It is ln n when all logits are equal.

    Args:
        logits: float tensor (n, n): cosine similarities times a learned scale, the exponential of a
            weight. The paper initializes the scale to 1 / 0.07.

    Returns:
        float32 scalar, in nats.

    Example:

    >>> round(float(kerasgan.losses.contrastive_loss(np.zeros((2, 2)))), 4)
    0.6931

    Reference: Learning Transferable Visual Models From Natural Language Supervision, Radford et
    al., 2021, arXiv:2103.00020, figure 3.
    """
    logits = ops.cast(logits, "float32")
    own = ops.arange(ops.shape(logits)[0], dtype="int32")
    losses = (
        keras.losses.sparse_categorical_crossentropy(own, each, from_logits=True)
        for each in (logits, ops.transpose(logits))
    )
    return sum(ops.mean(loss) for loss in losses) / 2.0
