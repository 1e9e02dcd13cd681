"""Which digits InfoGAN's categorical code stands for, on MNIST, after the paper's protocol.

Chen et al. 2016 (arXiv:1606.03657), section 7.2 and its program: ten categories, two continuous
codes and 62 numbers of noise, batches of 128, Adam at 1e-3 and 2e-4, 5,000 updates; here with
narrower networks (`--base-width 64` are the paper's). Every 1,000 updates it prints the purity: the
share of `--images` unseen digits whose label is the most frequent one of the category in which the
recognizer puts them. With one category for all it would be 0.11; the paper tells of 0.95.

    python benchmarks/info_gan_codes.py [--updates 5000] [--base-width 16] [--images 4000]
        [--data-dir DIR]
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kerasgan


def purity(found, labels):
    """The share of labels that are the most frequent one of their category."""
    table = np.zeros((10, 10), int)
    np.add.at(table, (found, labels), 1)
    return table.max(1).sum() / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=5000)
    parser.add_argument("--base-width", type=int, default=16)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--data-dir")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    mnist = {"name": "mnist", "data_dir": arguments.data_dir}
    digits = kerasgan.data.load(**mnist, batch_size=kerasgan.InfoGAN.batch_size_for())
    unseen = kerasgan.data.load(**mnist, split="test", batch_size=500, labels=True, shuffle=False)
    batches = list(unseen.take(arguments.images // 500).as_numpy_iterator())
    labels = np.concatenate([of_batch for _, of_batch in batches])
    gan = kerasgan.InfoGAN((28, 28, 1), base_width=arguments.base_width, seed=0)
    gan.compile()
    begin = time.process_time()
    print("| updates | CPU seconds | purity |\n|---|---|---|")
    for period in range(arguments.updates // 1000):
        gan.fit(
            digits.repeat(),
            steps_per_epoch=1000,
            initial_epoch=period,
            epochs=period + 1,
            verbose=0,
        )
        found = np.concatenate([gan.recognize(images)[0][:, 0] for images, _ in batches])
        seconds = time.process_time() - begin
        print(f"| {gan.iterations} | {seconds:.0f} | {purity(found, labels):.2f} |", flush=True)


if __name__ == "__main__":
    main()
