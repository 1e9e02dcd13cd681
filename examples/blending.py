"""Photo blending: an object of one photograph in another, with the colours of a generator.

    python examples/blending.py [--scene FILE --object FILE --mask FILE] [--minutes 3]
        [--out runs/blending]

After GP-GAN (Wu et al. 2017, arXiv:1703.07195). A Pix2Pix learns at 64x64 what colours a picture
has of which a part came from elsewhere. Its input is a cut of the photographs in which the colours
of a random ellipse were changed, and the ellipse; its target is the cut as it was. So it needs no
pairs. Then a Poisson step makes the picture at 256x256: of all pictures the one whose differences
between neighbours are the object's and the scene's, and whose blurred colours are the generator's
where the object is, and the scene's elsewhere. The paper's generator learned from photographs of
the same places at other times, and its Poisson step goes through a pyramid of resolutions; here it
is solved at once, by cosine transforms.

Your own photographs are cut to a square from their middle. The object lies over the scene where
MASK, a picture of the same size as the object, is white. Without them a flower is put into the sky
of scikit-learn's two photographs.

OUT/blended.png shows, in a row: the object pasted, the Poisson step with the colours of that, the
generator's colours, and the Poisson step with these.
"""

import argparse
import os
import pathlib
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from PIL import Image
from scipy import fft
from sklearn.datasets import load_sample_image

from kerasgan import pictures

SIZE, SMALL = 256, 64
CUTS = 400  # of the photographs, to learn from
BLUR = SIZE / SMALL  # standard deviation in pixels, about what the small picture has lost


def blended(scene, object_, mask, colours, weight=1.0, blur=BLUR):
    """The picture x that minimizes |grad x - v|^2 + weight |blur (x - colours)|^2.

    v has the differences of the object between neighbours of which one is in the mask, and those
    of the scene elsewhere. The borders are mirrored, so cosine transforms make it one division for
    each frequency.

    Args:
        scene, object_, colours: float (height, width, channels).
        mask: bool (height, width).
        weight, blur: float; the blur's standard deviation is in pixels.

    Returns:
        float64 (height, width, channels).
    """
    height, width = mask.shape
    wanted = np.zeros(scene.shape)  # the transpose of grad, of v
    for axis in (0, 1):
        this, following = (
            np.arange(mask.shape[axis])[part] for part in (slice(-1), slice(1, None))
        )
        of_object = mask.take(this, axis) | mask.take(following, axis)
        v = np.where(of_object[..., None], np.diff(object_, axis=axis), np.diff(scene, axis=axis))
        border = [(0, 0)] * 3
        border[axis] = (1, 1)
        wanted -= np.diff(np.pad(v, border), axis=axis)
    rows, columns = (np.pi * np.arange(n) / n for n in (height, width))
    laplacian = 4 * (np.sin(rows / 2) ** 2)[:, None] + 4 * np.sin(columns / 2) ** 2
    gaussian = np.exp(-(blur**2) * (rows[:, None] ** 2 + columns**2) / 2)
    transformed = fft.dctn(wanted, axes=(0, 1))
    transformed += weight * gaussian[..., None] ** 2 * fft.dctn(colours, axes=(0, 1))
    return fft.idctn(transformed / (laplacian + weight * gaussian**2)[..., None], axes=(0, 1))


def resized(image, size):
    """float32 image in [-1, 1], resized."""
    return np.asarray(keras.ops.image.resize(image, (size, size), "bicubic", antialias=True))


def ellipse(random, size):
    """A random ellipse: bool (size, size)."""
    y, x = np.mgrid[:size, :size] / size
    centre, radii = random.uniform(0.3, 0.7, 2), random.uniform(0.15, 0.35, 2)
    return ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1.0


def pairs(photos, count, seed=0):
    """Cuts with a part in other colours and its mask, (n, 64, 64, 4), and the cuts as they were."""
    random = np.random.default_rng(seed)
    inputs, targets = [], []
    for number in range(count):
        photo = photos[number % len(photos)]
        side = int(random.integers(2 * SMALL, min(photo.shape[:2]) + 1))
        top, left = (random.integers(length - side + 1) for length in photo.shape[:2])
        target = np.clip(resized(photo[top : top + side, left : left + side], SMALL), -1.0, 1.0)
        target = target[:, :: random.choice([-1, 1])]
        mask = ellipse(random, SMALL)
        other = (target + 1.0) / 2.0
        other = other ** random.uniform(0.4, 2.5) * random.uniform(0.4, 1.6, 3)
        other = np.clip(other + random.uniform(-0.3, 0.3, 3), 0.0, 1.0) * 2.0 - 1.0
        inputs.append(joined(np.where(mask[..., None], other, target), mask))
        targets.append(target)
    return np.stack(inputs), np.stack(targets).astype("float32")


def joined(image, mask):
    """The generator's input: the image, and where the object is."""
    return np.concatenate([image, 2.0 * mask[..., None] - 1.0], axis=-1).astype("float32")


class StopAfter(keras.callbacks.Callback):
    """Ends training after so many minutes of CPU time."""

    def __init__(self, minutes):
        super().__init__()
        self.end = time.process_time() + 60 * minutes

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = time.process_time() > self.end


def square(file):
    """A photograph, cut to a square from its middle: float32 (256, 256, 3) in [-1, 1]."""
    image = Image.open(file).convert("RGB") if isinstance(file, pathlib.Path) else file
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.LANCZOS)
    return np.asarray(image, "float32") / 127.5 - 1.0


def given(arguments):
    """The scene, the object, and where that is to be seen."""
    if arguments.scene is not None:
        scene, object_ = square(arguments.scene), square(arguments.object)
        return scene, object_, square(arguments.mask).mean(axis=-1) > 0.0
    scene = square(Image.fromarray(load_sample_image("china.jpg")))
    flower = Image.fromarray(load_sample_image("flower.jpg"))
    object_ = np.full_like(scene, -1.0)
    object_[:128, 128:] = resized(square(flower.crop((129, 45, 489, 405))), 128)
    y, x = np.mgrid[:SIZE, :SIZE]
    return scene, object_, ((y - 61) / 48) ** 2 + ((x - 192) / 47) ** 2 < 1.0


def inside(mask):
    """Where the object has a part of a small pixel: bool (64, 64, 1)."""
    return mask.reshape(SMALL, SIZE // SMALL, SMALL, -1).any(axis=(1, 3))[..., None]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scene", type=pathlib.Path)
    parser.add_argument("--object", type=pathlib.Path)
    parser.add_argument("--mask", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/blending"))
    arguments = parser.parse_args()
    files = arguments.scene, arguments.object, arguments.mask
    if any(files) and not all(files):
        parser.error("--scene, --object and --mask go together")
    arguments.out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    scene, object_, mask = given(arguments)
    pasted = np.where(mask[..., None], object_, scene)

    photos = [scene, object_]
    if not all(files):
        whole = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
        photos = [photo / np.float32(127.5) - 1.0 for photo in whole]
    inputs, targets = pairs(photos, CUTS)
    gan = kerasgan.Pix2Pix((SMALL, SMALL, 3), 4, base_width=32, receptive_field=34, seed=0)
    gan.compile()
    stop = StopAfter(arguments.minutes)
    gan.fit(inputs, targets, batch_size=4, epochs=10**6, callbacks=[stop], verbose=0)
    gan.save(arguments.out / "model.keras")

    small = joined(
        resized(pasted, SMALL), resized(mask[..., None].astype("float32"), SMALL)[..., 0]
    )
    made = gan.translate(np.clip(small, -1.0, 1.0)[None], seed=0)[0]
    # Outside of the object the scene's own colours are known better.
    colours = resized(np.where(inside(mask), made, resized(scene, SMALL)), SIZE)
    alone = blended(scene, object_, mask, resized(resized(pasted, SMALL), SIZE))
    together = blended(scene, object_, mask, colours)
    row = np.clip(np.stack([pasted, alone, colours, together]), -1.0, 1.0).astype("float32")
    pictures.write_png(arguments.out / "blended.png", pictures.strip([row]))
    print(f"{gan.iterations} updates. Look at {arguments.out / 'blended.png'}")


if __name__ == "__main__":
    main()
