"""What TF-GAN measures of given arrays, in a process of its own (see tensorflow_gan_oracle.py).

`python tensorflow_gan_metrics.py INPUTS OUTPUTS`: INPUTS is an .npz file with `real` and `fake`
features (n, d), `logits` (n, classes) and images `real_images` and `fake_images`.
"""

import importlib
import pathlib
import sys

import numpy as np

sys.path.append(str(pathlib.Path(__file__).parents[1]))
import tensorflow_gan_oracle


def answer(inputs):
    tf, _ = tensorflow_gan_oracle.load()
    folder = "tensorflow_gan.python.eval"
    sys.modules[folder] = type(sys)(folder)
    (root,) = sys.modules["tensorflow_gan.python"].__path__
    sys.modules[folder].__path__ = [f"{root}/eval"]
    metrics = importlib.import_module(f"{folder}.classifier_metrics")
    sliced = importlib.import_module(f"{folder}.sliced_wasserstein")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        given = {name: tf.constant(array) for name, array in inputs.items()}
        features = given["real"], given["fake"]
        size = len(inputs["real"])
        tf.compat.v1.set_random_seed(0)
        levels = sliced.laplacian_pyramid(given["real_images"], 2)
        distances = sliced.sliced_wasserstein_distance(
            given["real_images"],
            given["fake_images"],
            patches_per_image=128,
            random_sampling_count=4,
            random_projection_dim=128,
        )
        return session.run(
            {
                "fid": metrics.frechet_classifier_distance_from_activations(*features),
                "kid": metrics.kernel_classifier_distance_from_activations(
                    *features, max_block_size=size
                ),
                "inception_score": metrics.classifier_score_from_logits(given["logits"]),
                "swd": [of_fake for _, of_fake in distances],
                **{f"level {index}": level for index, level in enumerate(levels)},
            }
        )


if __name__ == "__main__":
    with np.load(sys.argv[1]) as arrays:
        np.savez(sys.argv[2], **answer(dict(arrays)))
