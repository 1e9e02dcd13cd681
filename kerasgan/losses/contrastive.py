"""The contrastive loss of pairs, of which CLIP learns."""

import keras
from keras import ops


def contrastive_loss(logits):
    """The symmetric cross-entropy of CLIP: which text is an image's, and which image a text's.

    Row i of the logits has the likenesses of image i to all texts of the batch, column j those of
    text j to all images; image i and text i belong together. Of both directions it is the mean
    cross-entropy, and of these two the mean. Where all are alike it is ln n.

    Args:
        logits: float tensor (n, n): cosine similarities times the exponential of a learned number,
            which the paper begins at 1 / 0.07.

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
