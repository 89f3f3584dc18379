"""From images to numbers: embeddings, verification metrics, intervals, and the geometry of the embedding.

The names below take plain arrays, and importing them imports no torch::

    from bench.evaluation import bootstrap_intervals, verify

    found = verify(scores, same, folds, fars=["1e-3"])
    found.metrics()["accuracy"]
    bootstrap_intervals(scores, same, people, folds, fars=["1e-3"], seed=0)["accuracy"].low

Embeddings of any model on a protocol, matched by the images' names, as ``bench evaluate --embeddings`` does it::

    from bench.evaluation import Measures, evaluate_embeddings, find_protocols

    (lfw,) = find_protocols(["lfw"], root="/data")
    record, scores = evaluate_embeddings(lfw.protocol, names, embeddings, measures=Measures(bootstrap=1000))
    record["metrics"]["tar_at_far_1e-3"], record["intervals"]["accuracy"]

Every template of a test set against every other (not exported here, as its module has its name)::

    from bench.evaluation.all_pairs import all_pairs

    all_pairs(embeddings, identity, fars=["1e-5"]).metrics()

Two rows, seed by seed, on the same pairs::

    from bench.evaluation import PairedScores, compare_rows

    found = compare_rows(PairedScores(ours, baseline, same, people, folds), "accuracy")  # ours, baseline: (S, P)
    found.effect, found.low, found.high, found.p
"""

from bench.evaluation.bootstrap import Interval, bootstrap_intervals, bootstrap_replicates
from bench.evaluation.comparison import compare_rows, compare_table, holm
from bench.evaluation.counts import NIST_2016, DetectionCost
from bench.evaluation.embeddings import evaluate_embeddings, evaluate_scores
from bench.evaluation.folds import FoldAccuracy, kfold_accuracy
from bench.evaluation.geometry import Geometry, measure
from bench.evaluation.geometry_intervals import geometry_intervals
from bench.evaluation.identification import (
    Identification,
    gallery_and_probes,
    identification_intervals,
    identify,
    search,
    search_within,
)
from bench.evaluation.iqm import interquartile_mean, iqm_interval
from bench.evaluation.pair_tests import delong, mcnemar
from bench.evaluation.paired import Comparison, PairedScores
from bench.evaluation.paired_bootstrap import bootstrap_people, bootstrap_seeds_and_people
from bench.evaluation.proportions import clopper_pearson, wilson
from bench.evaluation.protocols import FoundProtocol, find_protocols
from bench.evaluation.ranks import rank_rows
from bench.evaluation.record import Measures
from bench.evaluation.seed_tests import bootstrap_seeds, sign_flip
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
    "NIST_2016",
    "Comparison",
    "DetectionCost",
    "FoldAccuracy",
    "FoundProtocol",
    "Geometry",
    "Identification",
    "Interval",
    "Measures",
    "PairedScores",
    "Roc",
    "TarAtFar",
    "Verification",
    "auc",
    "bootstrap_intervals",
    "bootstrap_people",
    "bootstrap_replicates",
    "bootstrap_seeds",
    "bootstrap_seeds_and_people",
    "clopper_pearson",
    "compare_rows",
    "compare_table",
    "d_prime",
    "delong",
    "eer",
    "evaluate_embeddings",
    "evaluate_scores",
    "find_protocols",
    "gallery_and_probes",
    "geometry_intervals",
    "holm",
    "identification_intervals",
    "identify",
    "interquartile_mean",
    "iqm_interval",
    "kfold_accuracy",
    "mcnemar",
    "measure",
    "min_dcf",
    "rank_rows",
    "roc",
    "search",
    "search_within",
    "sign_flip",
    "tar_at_far",
    "verify",
    "wilson",
]
