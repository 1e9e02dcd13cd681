"""What metrics cost at the size of papers, and how honest their numbers are at smaller ones.

    python benchmarks/metrics.py [--images 50000] [--dimensions 2048] [--only PART]

`frechet`: statistics of so many features in batches of 500 and of 64, those of `fid_infinity` as
well, and the last step of FID beside SciPy's `sqrtm`, which is what most implementations take.
`neighbours`: precision and recall, and the peak of this process' memory; beside scikit-learn's
neighbours and distances, with 5,000 images and with all. `size`: what FID, its extrapolation and
KID say of few images of a known distribution, where the truth is 0.
"""

import argparse
import os
import resource
import time

import kerasgan  # noqa: F401  (before TensorFlow, which then uses oneDNN)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: F401  (first: it registers our classes)
import numpy as np
import tqdm

from kerasgan import metrics
from kerasgan.metrics.frechet_distance import frechet_distance

BATCH = 500
SMALL_BATCH = 64  # how many a network makes at a time


def features(count, dimensions, seed):
    """Batches of features as a network's pooled ReLUs are: correlated, at least 0, float32."""
    mix = np.random.default_rng(0).normal(size=(dimensions, dimensions)).astype("float32")
    mix /= dimensions**0.5
    rng = np.random.default_rng(seed)
    for _ in range(0, count, BATCH):
        yield np.maximum(rng.standard_normal((BATCH, dimensions), "float32") @ mix + 0.3, 0.0)


def timed(function, *arguments):
    begin = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - begin


def frechet(images, dimensions):
    from scipy import linalg

    sides = []
    for seed in (1, 2):
        statistics, seconds = metrics.FeatureStatistics(), 0.0
        for batch in tqdm.tqdm(features(images, dimensions, seed), total=images // BATCH):
            _, more = timed(statistics.update, batch)
            seconds += more
        sides.append(statistics)
        print(f"statistics of {images} x {dimensions}: {seconds:.1f} s")
    for infinity in (False, True):
        metric, seconds = metrics.FrechetDistance("pixels", sides[0], infinity), 0.0
        for batch in tqdm.tqdm(features(images, dimensions, 2), total=images // BATCH):
            for start in range(0, len(batch), SMALL_BATCH):
                _, more = timed(metric.update_state, None, batch[start : start + SMALL_BATCH])
                seconds += more
        what = "fid_infinity" if infinity else "fid"
        print(f"{what} of batches of at most {SMALL_BATCH}: {seconds:.1f} s a side")
    first, second = sides
    apart = np.sum((first.mean - second.mean) ** 2)

    def by_scipy():
        root = linalg.sqrtm(first.covariance @ second.covariance)
        return apart + np.trace(first.covariance + second.covariance - 2.0 * root.real)

    ratios = []
    for _ in range(3):
        ours, our_seconds = timed(frechet_distance, first, second)
        theirs, their_seconds = timed(by_scipy)
        ratios.append(our_seconds / their_seconds)
        print(f"last step: {our_seconds:.1f} s, with SciPy's sqrtm {their_seconds:.1f} s")
    print(f"distances {ours:.6f} and {theirs:.6f}")
    print(f"ratio {np.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]")


def neighbours(images, dimensions):
    from sklearn.metrics import pairwise_distances_chunked
    from sklearn.neighbors import NearestNeighbors

    def by_scikit_learn(*sets):
        reach = [
            NearestNeighbors(n_neighbors=4, algorithm="brute").fit(x).kneighbors(x)[0][:, 3]
            for x in sets
        ]
        precise, recalled = 0, np.zeros(len(sets[0]), bool)
        start = 0
        for distances in pairwise_distances_chunked(sets[1], sets[0], working_memory=256):
            end = start + len(distances)
            precise += np.sum(np.any(distances <= reach[0], axis=1))
            recalled |= np.any(distances <= reach[1][start:end, None], axis=0)
            start = end
        return precise / len(sets[1]), recalled.mean()

    for count in dict.fromkeys((min(images, 5000), images)):
        metric = metrics.PrecisionRecall("pixels")
        for real, fake in zip(
            features(count, dimensions, 1), features(count, dimensions, 2), strict=True
        ):
            metric.update_state(real, fake)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        result, seconds = timed(metric.result)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"precision and recall of {count} x {dimensions}: {seconds:.1f} s, {result}")
        print(f"peak of the process: {peak:.2f} GiB ({before:.2f} GiB before the last step)")
        theirs, their_seconds = timed(by_scikit_learn, *metric.kept(4))
        print(f"scikit-learn: {their_seconds:.1f} s, {theirs}")
        print(f"ratio {seconds / their_seconds:.2f}", flush=True)


def size(images, dimensions):
    dimensions = min(dimensions, 64)
    print(f"{dimensions} features, 50,000 real ones; 5 seeds: mean and standard deviation")
    print("generated  fid              fid_infinity     kid")
    reference = metrics.FeatureStatistics()
    real = np.concatenate(list(features(50_000, dimensions, 1)))
    reference.update(real)
    for count in (500, 1000, 5000, 20_000):
        rows = []
        for seed in range(10, 15):
            fake = np.concatenate(list(features(count, dimensions, seed)))
            metric = metrics.FrechetDistance("pixels", reference=reference, infinity=True)
            metric.update_state(None, fake)
            kernel = metrics.KernelDistance("pixels", subsets=10)
            kernel.update_state(real[: len(fake)], fake)
            rows.append([*metric.result().values(), kernel.result()["kid"]])
        columns = zip(np.mean(rows, axis=0), np.std(rows, axis=0), strict=True)
        print(f"{count:9}  " + "  ".join(f"{m:7.4f} +- {d:.4f}" for m, d in columns))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--dimensions", type=int, default=2048)
    parts = {"frechet": frechet, "neighbours": neighbours, "size": size}
    parser.add_argument("--only", choices=parts)
    arguments = parser.parse_args()
    for name, part in parts.items():
        if arguments.only in (None, name):
            print(f"\n{name}", flush=True)
            part(arguments.images, arguments.dimensions)


if __name__ == "__main__":
    main()
