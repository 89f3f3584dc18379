"""What is measured: each metric's name, unit, direction and rule, as tables and figures show them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A metric as readers see it. ``scale``: 100 for shares in %. ``higher`` is better, or lower, or None."""

    label: str
    unit: str
    scale: float
    higher: bool | None
    rule: str

    @property
    def share(self) -> bool:
        return self.unit == "%"

    @property
    def heading(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label


def _share(label: str, higher: bool | None, rule: str) -> Metric:
    return Metric(label, "%", 100, higher, f"{label}: {rule}")


def _number(label: str, higher: bool | None, rule: str, unit: str = "") -> Metric:
    return Metric(label, unit, 1, higher, f"{label}: {rule}")


METRICS: dict[str, Metric] = {
    "accuracy": _share(
        "accuracy",
        True,
        "mean over the protocol's folds; each fold's threshold is chosen on the other folds only",
    ),
    "accuracy_fold_sd": _share("fold sd", None, "standard deviation over the folds, ddof 0"),
    "accuracy_sem": _share("fold SEM", None, "standard error of the mean over the folds, ddof 1"),
    "eer": _share("EER", False, "where false accepts and false rejects are equally frequent"),
    "auc": _share("AUC", True, "area under the ROC curve over all pairs"),
    "min_dcf": _number("minDCF", False, "smallest normalised detection cost over all thresholds"),
    "d_prime": _number("d′", True, "distance of the mean genuine and impostor scores over their pooled deviation"),
    "threshold_mean": _number("threshold", None, "mean over the folds"),
    "isotropy": _number("isotropy", True, "1 if a class spreads alike in every direction"),
    "isotropy_null": _number("isotropy null", None, "what the estimator reads on isotropic classes of the same size"),
    "d_eff": _number("D_eff", True, "effective dimension of the scatter within classes"),
    "participation": _number("participation", None, "participation ratio of a class, biased by few images"),
    "top_axis_share": _number("top-axis share", False, "share of the scatter within classes along its first axis"),
    "top_axis_share_per_identity": _number("top-axis share per class", False, "of each class alone, averaged"),
    "compactness_deg": _number("compactness", False, "angle between embeddings and their class centre", "°"),
    "separation_deg": _number("separation", True, "angle between class centres", "°"),
    "further_margin_deg": _number("further margin", True, "the angle left between identities", "°"),
    "pull_isotropy": _number("pull isotropy", True, "weakest over strongest pull by direction"),
}
"""Metrics without a parameter, by name."""


def _tar(far: str) -> Metric:
    rule = "largest true-accept rate over thresholds that let through at most"
    return Metric(f"TAR@{far}", "%", 100, True, f"TAR@FAR={far}: {rule} ⌊{far}·N⌋ of the N impostor pairs")


def _all_pairs_tar(far: str) -> Metric:
    rule = "TAR@FAR over every pair of templates of the test set"
    return Metric(f"all-pairs TAR@{far}", "%", 100, True, f"all-pairs TAR@FAR={far}: {rule}")


def _rank(k: str) -> Metric:
    return _share(
        f"rank-{k}", True, f"share of probes whose mate is among the {k} nearest of the gallery, ties against"
    )


def _tpir(fpir: str) -> Metric:
    rule = "share of mated probes found at rank 1 above the threshold that lets through at most"
    return Metric(f"TPIR@{fpir}", "%", 100, True, f"TPIR@FPIR={fpir}: {rule} ⌊{fpir}·N⌋ of the N probes without a mate")


PARAMETRIC: dict[str, Callable[[str], Metric]] = {
    "tar_at_far_": _tar,
    "all_pairs_tar_at_far_": _all_pairs_tar,
    "rank_": _rank,
    "tpir_at_fpir_": _tpir,
}
"""Metrics with a rate or a rank in their name, by what stands before it."""


def metric(name: str) -> Metric:
    """How to show a metric by its name without the protocol; an unknown one is shown as it is and not ranked."""
    for start, make in PARAMETRIC.items():
        if re.fullmatch(rf"{start}[0-9].*", name):
            return make(name.removeprefix(start))
    return METRICS.get(name) or Metric(name.replace("_", " "), "", 1, None, "")
