"""A DCGAN on the digits, trained by several machines, or by one if nothing says otherwise.

Every machine runs this script; docs/scaling.md has the commands for machines by hand, for Slurm
and for Kubernetes. `--out` is a folder that all of them see. A run of which a machine failed goes
on where it was when the script is started again on all machines.

    python examples/several_machines.py --out runs/several [--epochs 60]
"""

import argparse
import json
import os
import pathlib
import subprocess

import kerasgan  # before TensorFlow, which then uses oneDNN

# isort: split
import tensorflow as tf

PORT = 12345


def describe_cluster():
    """Sets TF_CONFIG, from which TensorFlow knows all workers, if a scheduler started us."""
    if "SLURM_PROCID" in os.environ:
        command = ["scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]]
        hosts = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        index = int(os.environ["SLURM_PROCID"])
    elif "JOB_COMPLETION_INDEX" in os.environ:  # an indexed job of Kubernetes
        job, service = os.environ["JOB_NAME"], os.environ["SERVICE_NAME"]
        hosts = [f"{job}-{i}.{service}" for i in range(int(os.environ["WORKERS"]))]
        index = int(os.environ["JOB_COMPLETION_INDEX"])
    else:
        return
    workers = [f"{host}:{PORT}" for host in hosts]
    task = {"type": "worker", "index": index}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/several"))
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=64, help="of all workers together")
    arguments = parser.parse_args()
    describe_cluster()
    # Before anything else of TensorFlow: it connects the workers.
    strategy = tf.distribute.get_strategy()
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()

    import keras

    keras.utils.set_random_seed(0)
    with strategy.scope():
        gan = kerasgan.DCGAN((16, 16, 1), latent_dim=64, base_width=32, ema_decay=0.99)
        gan.compile()
    gan.fit(
        kerasgan.data.load("digits", image_size=16, batch_size=arguments.batch_size),
        epochs=arguments.epochs,
        callbacks=[
            kerasgan.callbacks.SampleGrid(arguments.out, every=5),
            kerasgan.callbacks.TrainingCurves(arguments.out),
            keras.callbacks.ModelCheckpoint(arguments.out / "model.keras"),
            keras.callbacks.BackupAndRestore(arguments.out / "backup"),
        ],
        verbose=2 if gan.is_chief else 0,
    )


if __name__ == "__main__":
    main()
