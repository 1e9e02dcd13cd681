"""torch-fidelity, to compare with: its FID network and what it makes of features.

Its package imports torchvision, of which there is no build for every PyTorch and which nothing here
needs; so the modules are loaded past its `__init__`, with stand-ins for what reads image folders.
"""

import functools
import importlib
import importlib.util
import sys
import types
from unittest import mock

import pytest


def is_installed():
    return all(importlib.util.find_spec(name) for name in ("torch", "torch_fidelity"))


needs_torch_fidelity = pytest.mark.skipif(
    not is_installed(), reason="torch-fidelity is not installed; `make test-torch` installs it"
)


@functools.cache
def module(name):
    """A module of torch-fidelity: `metric_fid`, `metric_kid`, `metric_isc`, `metric_prc`, ...

    On tensors of features: `metric_fid.fid_features_to_statistics(x)` and
    `fid_statistics_to_metric(a, b, verbose=False)`; `metric_kid.kid_features_to_metric(a, b,
    kid_subsets=..., kid_subset_size=..., verbose=False)`; `metric_isc.isc_features_to_metric(
    logits, splits=..., shuffle=False)`; `metric_prc.prc_features_to_metric(generated, real,
    verbose=False)`.
    """
    (root,) = importlib.util.find_spec("torch_fidelity").submodule_search_locations
    package = types.ModuleType("torch_fidelity")
    package.__path__ = [root]
    stand_ins = {"torch_fidelity": package, "torch_fidelity.utils": mock.MagicMock()}
    with mock.patch.dict(sys.modules, stand_ins):
        return importlib.import_module(f"torch_fidelity.{name}")


def inception(features=("2048", "logits_unbiased")):
    """Its FID network, `torch.nn.Module` with random weights: uint8 (n, 3, h, w) to features."""
    network = module("feature_extractor_inceptionv3")
    loading = {"load_state_dict_from_url": mock.DEFAULT}
    with (
        mock.patch.multiple(network, **loading),
        mock.patch.object(network.FeatureExtractorInceptionV3, "load_state_dict"),
    ):
        return network.FeatureExtractorInceptionV3("inception", list(features))
