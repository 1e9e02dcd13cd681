"""Two models of a user's own, from the docstrings of `kerasgan.roles`; nobody knows them."""

import math

import keras
import numpy as np
from keras import layers, ops

import kerasgan
from kerasgan import roles


@keras.saving.register_keras_serializable(package="own_models")
class VAE(roles.HasLatents, roles.Encodes, kerasgan.GenerativeModel):
    """A variational autoencoder of dense layers.

    Reference: Auto-Encoding Variational Bayes, Kingma & Welling, 2014, arXiv:1312.6114.
    """

    loss_names = ("loss", "kl_divergence")

    def __init__(self, image_shape, latent_dim=4, units=32, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = tuple(image_shape)
        self.latent_dim, self.units = latent_dim, units
        images = keras.Input(image_shape)
        x = layers.Flatten(name="flatten")(images)
        x = layers.Dense(units, "relu", name="hidden")(x)
        mean = layers.Dense(latent_dim, name="mean")(x)
        log_variance = layers.Dense(latent_dim, name="log_variance")(x)
        self.moments = keras.Model(images, [mean, log_variance], name="moments")
        self.encoder = keras.Model(images, mean, name="encoder")
        codes = keras.Input((latent_dim,))
        x = layers.Dense(units, "relu", name="hidden_out")(codes)
        x = layers.Dense(math.prod(image_shape), "tanh", name="pixels")(x)
        x = layers.Reshape(image_shape, name="images")(x)
        self.decoder = keras.Model(codes, x, name="decoder")

    @property
    def parts(self):
        return {"autoencoder": [self.moments, self.decoder]}

    @property
    def sampling_generator(self):
        return self.decoder

    def default_optimizers(self):
        return {"autoencoder": keras.optimizers.Adam(3e-3)}

    def batch_loss(self, data, training=True):
        images, _ = self.real_batch(data)
        mean, log_variance = self.moments(images, training=training)
        seed = self.seed_generator if training else self.evaluation_seed
        noise = keras.random.normal(ops.shape(mean), seed=seed)
        decoded = self.decoder(mean + ops.exp(0.5 * log_variance) * noise, training=training)
        error = ops.mean(ops.sum(ops.square(images - decoded), axis=(1, 2, 3)))
        divergence = 0.5 * ops.mean(
            ops.sum(ops.exp(log_variance) + mean**2 - 1.0 - log_variance, axis=-1)
        )
        return error + divergence, {"kl_divergence": divergence}

    def get_config(self):
        own = {"image_shape": self.image_shape, "latent_dim": self.latent_dim, "units": self.units}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="own_models")
class IndependentPixels(roles.HasLikelihood, roles.GeneratesImages, kerasgan.GenerativeModel):
    """Every pixel has a distribution of its own over 256 values, and knows nothing of the others.

    Reference: the baseline that every likelihood model has to beat.
    """

    def __init__(self, image_shape, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = tuple(image_shape)
        self.table = Table(self.image_shape, name="table")
        self.table.build()

    @property
    def parts(self):
        return {"pixels": [self.table]}

    @property
    def noise_shapes(self):
        return (self.image_shape,)

    def default_optimizers(self):
        return {"pixels": keras.optimizers.Adam(0.3)}

    def log_likelihood_of(self, images, labels=None, training=False):
        values = ops.cast(ops.round((images + 1.0) * 127.5), "int32")
        chosen = ops.one_hot(values, 256) * ops.log_softmax(self.table.logits)
        return ops.sum(chosen, axis=(1, 2, 3, 4))

    def images_from_noise(self, noise, labels=None, truncation=None):
        uniform = 0.5 * (1.0 + ops.erf(noise[0] / np.float32(np.sqrt(2.0))))
        up_to = ops.cumsum(ops.softmax(self.table.logits), axis=-1)
        values = ops.sum(ops.cast(up_to < uniform[..., None], "float32"), axis=-1)
        return ops.minimum(values, 255.0) / 127.5 - 1.0

    def get_config(self):
        return {**super().get_config(), "image_shape": self.image_shape}


@keras.saving.register_keras_serializable(package="own_models")
class Table(layers.Layer):
    """Logits (*image_shape, 256)."""

    def __init__(self, image_shape, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = tuple(image_shape)

    def build(self, input_shape=None):
        self.logits = self.add_weight((*self.image_shape, 256), "zeros", name="logits")

    def get_config(self):
        return {**super().get_config(), "image_shape": self.image_shape}
