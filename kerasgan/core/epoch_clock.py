"""How a data set learns which epoch it is read for.

A resumed run has to see the batches that the run without interruption would have seen. The
number of finished epochs is saved with the model; `fit` writes it here when an epoch begins, and
`kerasgan.data` reads it when an epoch's first batch is asked for. A plain number rather than an
attribute of the data set, so that `.map`, `.take` and other transformations do not lose it.
"""

#: Epochs that the model in training has finished, or None outside of `fit`.
epoch = None
