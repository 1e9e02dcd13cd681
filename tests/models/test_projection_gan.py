import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

import kerasgan


class ProjectionGANTest(tf.test.TestCase):
    def test_logit_is_that_of_the_image_plus_an_inner_product(self):
        gan = kerasgan.ProjectionGAN((8, 8, 1), num_classes=3, base_width=8, seed=0)
        network = gan.discriminator
        images = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype("float32")
        labels = np.array([0, 1, 2, 0, 1, 2])
        features = keras.Model(network.inputs, network.get_layer("sum").output)([images, labels])
        found, phi = (ops.convert_to_numpy(x) for x in (network([images, labels]), features))
        psi, embedding = network.get_layer("logits_sn"), network.get_layer("embedding_sn")
        kernel = ops.convert_to_numpy(psi.layer.kernel) / float(psi.sigma())
        rows = ops.convert_to_numpy(embedding.layer.embeddings) / float(embedding.sigma())
        bias = ops.convert_to_numpy(psi.layer.bias)
        expected = phi @ kernel + bias + (phi * rows[labels]).sum(1, keepdims=True)
        self.assertAllClose(found, expected, atol=1e-4)

    def test_each_class_has_its_own_batch_norm(self):
        gan = kerasgan.ProjectionGAN((8, 8, 1), num_classes=3, base_width=8, seed=0)
        norms = [
            x
            for x in gan.generator.layers
            if isinstance(x, kerasgan.layers.ConditionalBatchNormalization)
        ]
        self.assertLen(norms, 2)
        self.assertFalse(any(isinstance(x, layers.Concatenate) for x in gan.generator.layers))
        same = [gan.generate(1, seed=0, labels=label) for label in (0, 1)]
        self.assertAllClose(*same)  # the classes begin equal
        gammas = norms[0].gamma.embeddings
        gammas.assign(gammas + np.eye(3, 16, dtype="float32"))
        other = [gan.generate(1, seed=0, labels=label) for label in (0, 1)]
        self.assertNotAllClose(*other)
