"""How a metric is named, scaled and ranked in tables and figures."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PROTOCOLS = {"lfw": "LFW", "ytf": "YTF", "cfp_fp": "CFP-FP", "cfp_ff": "CFP-FF", "train": "training"}
_AXES = {"enhancement.strength": "λ", "enhancement.gate": "gate", "enhancement.profile": "profile"}


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


_ACCURACY = Metric(
    "accuracy",
    "%",
    100,
    True,
    "accuracy: mean over the protocol's folds; each fold's threshold is chosen on the other folds only",
)
_KNOWN = {
    "accuracy": _ACCURACY,
    "accuracy_fold_sd": Metric("fold sd", "%", 100, None, "fold sd: standard deviation over the folds, ddof 0"),
    "accuracy_sem": Metric("fold SEM", "%", 100, None, "fold SEM: standard error of the mean over the folds, ddof 1"),
    "threshold_mean": Metric("threshold", "", 1, None, "threshold: mean of the folds' thresholds"),
    "min_dcf": Metric("minDCF", "", 1, False, "minDCF: least normalised cost of decisions at one threshold"),
    "d_prime": Metric("d′", "", 1, True, "d′: distance of the two kinds' mean scores in pooled standard deviations"),
    "eer": Metric("EER", "%", 100, False, "EER: where false accepts and false rejects are equally frequent"),
    "auc": Metric("AUC", "%", 100, True, "AUC: area under the ROC curve over all pairs"),
    "isotropy": Metric("isotropy", "", 1, True, "isotropy: 1 if a class spreads alike in every direction"),
    "compactness_deg": Metric(
        "compactness", "°", 1, False, "compactness: angle between embeddings and their class centre"
    ),
    "separation_deg": Metric("separation", "°", 1, True, "separation: angle between class centres"),
    "further_margin_deg": Metric("further margin", "°", 1, True, "further margin: the angle left between identities"),
    "pull_isotropy": Metric("pull isotropy", "", 1, True, "pull isotropy: weakest over strongest pull by direction"),
}


def metric(name: str) -> Metric:
    """How to show a metric by its name without the protocol; an unknown one is shown as it is and not ranked."""
    far = re.fullmatch(r"tar_at_far_(.+)", name)
    if far:
        rule = (
            f"TAR@FAR={far[1]}: largest true-accept rate over thresholds that let through at most "
            f"⌊{far[1]}·N⌋ of the N impostor pairs"
        )
        return Metric(f"TAR@{far[1]}", "%", 100, True, rule)
    return _KNOWN.get(name) or Metric(name.replace("_", " "), "", 1, None, "")


def protocol_label(name: str) -> str:
    return _PROTOCOLS.get(name, name.upper().replace("_", "-"))


def axis_label(axis: str) -> str:
    return _AXES.get(axis, axis.removesuffix(".name"))
