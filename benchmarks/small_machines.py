"""What an epoch costs on a processor, and how large the file is that is written after it.

Every row is a `kerasgan train` of one epoch, in a process of its own. Its CPU time is that of all
its threads, tracing, samples and the file included, less what `kerasgan info` takes to load Keras
and the model.

    python benchmarks/small_machines.py --data-dir DATA [--only mnist pix2pix cycle_gan]

`DATA` is where TensorFlow Datasets keeps `mnist` and `cycle_gan/facades`.
"""

import argparse
import pathlib
import resource
import subprocess
import sys
import tempfile

FACADES = ("--data", "tfds:cycle_gan/facades", "--image-size", "64")
ROWS = {
    "mnist": [
        ("dcgan", "--data", "mnist", *setting)
        for setting in ((), ("--set", "base_width=32"), ("--set", "base_width=16"))
    ],
    "pix2pix": [
        ("pix2pix", *FACADES, "--source", "B", "--batch-size", "4", *setting)
        for setting in ((), ("--set", "base_width=32"), ("--set", "base_width=16"))
    ],
    "cycle_gan": [
        ("cycle_gan", *FACADES, "--batch-size", "4", *setting)
        for setting in (
            (),
            ("--set", "base_width=32", "--set", "residual_blocks=3", "--set", "receptive_field=34"),
            ("--set", "base_width=16", "--set", "residual_blocks=3", "--set", "receptive_field=34"),
        )
    ],
}


def cpu_seconds(command):
    """CPU seconds of a process and of what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--only", nargs="*", choices=ROWS, default=list(ROWS))
    chosen = parser.parse_args()
    kerasgan = (sys.executable, "-m", "kerasgan")
    print("| `kerasgan train ...` | CPU minutes an epoch | MB of model.keras |\n|---|---|---|")
    for name in chosen.only:
        for row in ROWS[name]:
            with tempfile.TemporaryDirectory() as folder:
                run = pathlib.Path(folder) / "run"
                where = ("--data-dir", chosen.data_dir, "--out", str(run), "--epochs", "1")
                seconds = cpu_seconds((*kerasgan, "train", *row, *where))
                # Loads the model and nothing of the data.
                seconds -= cpu_seconds((*kerasgan, "info", str(run)))
                size = (run / "model.keras").stat().st_size / 1e6
            print(f"| `{' '.join(row)}` | {seconds / 60:.1f} | {size:.0f} |", flush=True)


if __name__ == "__main__":
    main()
