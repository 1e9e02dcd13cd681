"""Writes the configuration of TensorFlow Serving for a folder of models."""

import os
import pathlib

from kerasgan.serving.folders import (
    BATCH_SIZES,
    CONFIGURATION,
    WRITTEN_BY,
    is_configuration,
    model_folders,
    versions,
)
from kerasgan.utils.files import atomic_path

LOADED_VERSIONS = 2  # so that there can be a stable version and a canary


def labels_of(versions):
    """The versions of the labels `stable` and `canary`: dict from label to version number.

    The canary is the newest version. The stable version is the one before it, or the same if there
    is no other.

    >>> labels_of([1, 2, 3])
    {'stable': 2, 'canary': 3}
    """
    if not versions:
        return {}
    stable, canary = [versions[0], *versions][-2:]
    return {"stable": stable, "canary": canary}


def write_configuration(folder: str | os.PathLike) -> list[pathlib.Path]:
    """Writes the files that TensorFlow Serving needs to serve the models in a folder.

    - `models.config`: every model, its two newest versions, and the labels `stable` and `canary`;
    - `batching_parameters.txt`: combines requests into batches of a few sizes;
    - `monitoring.config`: metrics for Prometheus, on the REST port;
    - `docker-compose.yml`: runs TensorFlow Serving with these files, on a CPU or, with `--profile
      gpu`, on a GPU.

    Args:
        folder: path, such as `savedmodels`.

    Returns:
        List of the files' paths.

    Raises:
        ValueError: when the folder has no models, or files with these names that kerasgan did not
            write.

    Example:

    >>> gan = kerasgan.VanillaGAN((8, 8, 1), hidden_units=(16,))
    >>> version = kerasgan.serving.export_version(gan, "savedmodels/digits")
    >>> [path.name for path in kerasgan.serving.write_configuration("savedmodels")]
    ['models.config', 'batching_parameters.txt', 'monitoring.config', 'docker-compose.yml']
    """
    folder = pathlib.Path(folder)
    models = {name: versions(f) for name, f in model_folders(folder).items()}
    if not models or versions(folder):
        raise ValueError(
            f"{folder} has to hold a folder for each model, with a folder for each version, such "
            "as savedmodels/digits/1; `kerasgan export RUN savedmodels/digits` makes them."
        )
    paths = [folder / name for name in CONFIGURATION]
    for path in paths:
        if path.exists() and not is_configuration(path):
            raise ValueError(
                f"{path} was not written by `kerasgan serving-config`, so it is not replaced; move "
                "it away."
            )
    of_models = _MODELS.format("".join(_model(*item) for item in models.items()))
    for path, text in zip(paths, (of_models, _batching(), _MONITORING, _COMPOSE), strict=True):
        with atomic_path(path) as temporary:
            temporary.write_text(f"{WRITTEN_BY}\n{text}", encoding="utf-8")
    return paths


def _model(name, versions):
    labels = "".join(
        f'    version_labels {{ key: "{label}" value: {number} }}\n'
        for label, number in labels_of(versions).items()
    )
    return _MODEL.format(name=name, versions=LOADED_VERSIONS, labels=labels)


def _batching():
    sizes = "".join(f"allowed_batch_sizes: {size}\n" for size in BATCH_SIZES)
    return _BATCHING.format(largest=BATCH_SIZES[-1]) + sizes


_MODELS = """\
# TensorFlow Serving reads it again every minute, so write it anew when a model or a version came.
model_config_list {{
{}}}
"""
_MODEL = """\
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: {versions} }} }}
{labels}  }}
"""
_BATCHING = """\
# Requests that come within two milliseconds are computed together. Batches are filled up to one of
# the sizes, for which a network is compiled if it was exported with --jit-compile.
max_batch_size {{ value: {largest} }}
batch_timeout_micros {{ value: 2000 }}
max_enqueued_batches {{ value: 64 }}
num_batch_threads {{ value: 2 }}
"""
_MONITORING = """\
prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""
_COMPOSE = """\
# docker compose --profile cpu up        gRPC on port 8500, REST on port 8501
# docker compose --profile gpu up        the same on an NVIDIA GPU
# TF_SERVING_TAG=2.19.0 in the environment chooses a version.
x-serving: &serving
  command:
    - --model_config_file=/models/models.config
    - --model_config_file_poll_wait_seconds=60
    - --allow_version_labels_for_unavailable_models=true
    - --enable_batching=true
    - --batching_parameters_file=/models/batching_parameters.txt
    - --monitoring_config_file=/models/monitoring.config
  ports:
    - "127.0.0.1:8500:8500"
    - "127.0.0.1:8501:8501"
  volumes:
    - .:/models:ro
  restart: unless-stopped
services:
  serving:
    <<: *serving
    image: tensorflow/serving:${TF_SERVING_TAG:-latest}
    profiles: [cpu]
  serving-gpu:
    <<: *serving
    image: tensorflow/serving:${TF_SERVING_TAG:-latest}-gpu
    profiles: [gpu]
    environment:
      TF_FORCE_GPU_ALLOW_GROWTH: "true"
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              count: 1
              capabilities: [gpu]
"""
