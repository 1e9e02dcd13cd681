"""Our metrics against those of torch-fidelity, where PyTorch and it are installed."""

import numpy as np
import tensorflow as tf
from metric_helpers import gaussian, measured
from torch_fidelity_oracle import module, needs_torch_fidelity

from kerasgan import metrics


@needs_torch_fidelity
class TorchFidelityTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        import torch

        self.real, self.fake = gaussian(300, 16), gaussian(260, 16, seed=1, mean=0.3, scale=0.9)
        self.tensors = [torch.from_numpy(x) for x in (self.real, self.fake)]

    def test_frechet_distance(self):
        fid = module("metric_fid")
        statistics = [fid.fid_features_to_statistics(x) for x in self.tensors]
        theirs = fid.fid_statistics_to_metric(*statistics, verbose=False)
        ours = measured(metrics.FrechetDistance("pixels"), self.real, self.fake, 64)
        self.assertAllClose(ours, theirs["frechet_inception_distance"], rtol=1e-5)

    def test_kernel_distance(self):
        kid = module("metric_kid")
        fewer = [x[:200] for x in self.tensors]
        theirs = kid.kid_features_to_metric(
            *fewer, kid_subsets=1, kid_subset_size=200, rng_seed=0, verbose=False
        )
        ours = measured(metrics.KernelDistance("pixels"), self.real[:200], self.fake[:200], 64)
        self.assertAllClose(ours["kid"], theirs["kernel_inception_distance_mean"], rtol=1e-5)

    def test_inception_score(self):
        theirs = module("metric_isc").isc_features_to_metric(
            self.tensors[0], splits=1, shuffle=False
        )
        ours = metrics.InceptionScore("pixels", splits=1)
        ours.add(self.real, real=False)
        self.assertAllClose(
            ours.result()["inception_score"], theirs["inception_score_mean"], rtol=1e-5
        )

    def test_precision_and_recall(self):
        theirs = module("metric_prc").prc_features_to_metric(
            self.tensors[1], self.tensors[0][:260], prc_neighborhood=3, verbose=False
        )
        ours = measured(metrics.PrecisionRecall("pixels"), self.real[:260], self.fake, 64)
        self.assertAllClose(ours, {name: theirs[name] for name in ours}, atol=1e-6)
        self.assertNotAllClose(np.array(list(ours.values())), [1.0, 1.0])
