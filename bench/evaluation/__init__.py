"""From images to numbers: embeddings, verification metrics, intervals, and the geometry of the embedding.

The names below take plain arrays and import no torch::

    from bench.evaluation import bootstrap_intervals, verify

    found = verify(scores, same, folds, fars=["1e-3"])
    found.metrics()["accuracy"]
    bootstrap_intervals(scores, same, people, folds, fars=["1e-3"], seed=0)["accuracy"].low
"""

from bench.evaluation.bootstrap import Interval, bootstrap_intervals, bootstrap_replicates
from bench.evaluation.counts import DetectionCost
from bench.evaluation.folds import FoldAccuracy, kfold_accuracy
from bench.evaluation.proportions import clopper_pearson, wilson
from bench.evaluation.verification import (
    Roc,
    TarAtFar,
    Verification,
    auc,
    d_prime,
    eer,
    min_dcf,
    roc,
    tar_at_far,
    verify,
)

__all__ = [
    "DetectionCost",
    "FoldAccuracy",
    "Interval",
    "Roc",
    "TarAtFar",
    "Verification",
    "auc",
    "bootstrap_intervals",
    "bootstrap_replicates",
    "clopper_pearson",
    "d_prime",
    "eer",
    "kfold_accuracy",
    "min_dcf",
    "roc",
    "tar_at_far",
    "verify",
    "wilson",
]
