"""A model whose images are a linear function of its latents, so that all is known of it."""

import keras
import numpy as np
from keras import layers, ops

import kerasgan
from kerasgan import roles

SIZE = 4


@keras.saving.register_keras_serializable(package="tests")
class LinearModel(roles.HasLatents, kerasgan.GenerativeModel):
    """Images are `scale * matrix @ z`, bounded nowhere but by the size of z."""

    def __init__(self, latent_dim=5, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.latent_dim = (SIZE, SIZE, 1), latent_dim
        latents = keras.Input((latent_dim,))
        x = layers.Dense(SIZE * SIZE, use_bias=False, name="pixels")(latents)
        self.sampling_generator = keras.Model(latents, layers.Reshape(self.image_shape)(x))

    @property
    def parts(self):
        return {"generator": [self.sampling_generator]}

    def default_optimizers(self):
        return {"generator": keras.optimizers.SGD(1.0)}

    @property
    def matrix(self):
        """The matrix (pixels, latent_dim)."""
        return ops.convert_to_numpy(self.sampling_generator.get_layer("pixels").kernel).T

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim}


def linear_model(latent_dim=5, seed=0):
    """One with a matrix of known singular values, 0.1 to 0.02, and orthonormal vectors."""
    model = LinearModel(latent_dim)
    random = np.random.default_rng(seed)
    left, _ = np.linalg.qr(random.normal(size=(SIZE * SIZE, latent_dim)))
    right, _ = np.linalg.qr(random.normal(size=(latent_dim, latent_dim)))
    values = np.linspace(0.1, 0.02, latent_dim)
    kernel = (left * values @ right.T).T
    model.sampling_generator.set_weights([kernel.astype("float32")])
    return model
