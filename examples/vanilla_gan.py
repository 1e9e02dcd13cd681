"""The smallest GAN there is: faces of two by two pixels.

In a land where people are slanted by 45 degrees, a picture of a face has its upper left and lower
right pixels bright and the other two dark. The generator is one layer with one random number as
its input, the discriminator is one layer, too: thirteen weights in all learn to draw faces in
seconds.

    python examples/vanilla_gan.py [--out runs/faces]
"""

import argparse
import os

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasgan import pictures

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--out", default="runs/faces")
parser.add_argument("--epochs", type=int, default=100)
arguments = parser.parse_args()

# Faces. Bright is 1 and dark is 0 in the lecture; images in kerasgan go from -1 to 1.
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
bright = rng.uniform(0.75, 1.0, (1000, 2))
dark = rng.uniform(0.0, 0.25, (1000, 2))
brightness = np.stack([bright[:, 0], dark[:, 0], dark[:, 1], bright[:, 1]], axis=1)
faces = (2.0 * brightness - 1.0).reshape(-1, 2, 2, 1)
noise = rng.uniform(-1.0, 1.0, (1000, 2, 2, 1))

# One layer each. The loss is the error function of the lecture, -ln(D) and -ln(1 - D).
gan = kerasgan.VanillaGAN((2, 2, 1), latent_dim=1, hidden_units=(), seed=0)
gan.compile(keras.optimizers.SGD(0.2), loss="non_saturating")


def decision(images):
    """The discriminator's mean probability that an image is a face."""
    logits = gan.discriminator(np.asarray(images, "float32"), training=False)
    return float(keras.ops.mean(keras.ops.sigmoid(logits)))


def report(title):
    print(
        f"{title:>10}: D(face) = {decision(faces):.2f}, D(noise) = {decision(noise):.2f}, "
        f"D(generated) = {decision(gan.generate(1000, seed=0)):.2f}"
    )


report("untrained")
data = kerasgan.data.from_array(faces, batch_size=50)
gan.fit(data, epochs=2, verbose=0)
report("2 epochs")
grid = kerasgan.callbacks.SampleGrid(arguments.out, every=10, num_images=16)
curves = kerasgan.callbacks.TrainingCurves(arguments.out)
gan.fit(data, initial_epoch=2, epochs=arguments.epochs, callbacks=[grid, curves], verbose=0)
report(f"{arguments.epochs} epochs")

print("\nFour generated images, 1 is bright and 0 is dark:")
for image in gan.generate(4, seed=1):
    print(np.array2string((image[:, :, 0] + 1.0) / 2.0, precision=2, floatmode="fixed"), "\n")
print("The discriminator's weights, one a pixel:")
print(np.array2string(gan.discriminator.get_layer("logits").kernel.numpy().reshape(2, 2)))

both = np.concatenate([faces[:8], gan.generate(8, seed=1)])
pictures.write_png(f"{arguments.out}/faces.png", pictures.draw(both, columns=8))
print(f"\nFaces above, generated images below: {arguments.out}/faces.png")
