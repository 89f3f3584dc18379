"""A made-up store whose evaluations kept replicates, facts and measures, as real ones do."""

from pathlib import Path

import numpy as np
from fabricated import EDGES, accuracy, fabricate

from bench.evaluation.measured import REPLICATES
from bench.store import Store


def replicated(root: Path, *, n: int = 200, noise: float = 0.002, pairs: int = 6000, **asked: object) -> Store:
    """``noise``: sd of an accuracy over people, as much of it shared by all networks as their own."""
    store = fabricate(root, **{"epochs": 2, **asked})
    shared = np.random.default_rng(7).normal(0, noise, n)
    for run in store.plan("made_up")["runs"]:
        key = (run["axes"]["backbone"], run["axes"]["margin"], float(run["axes"]["enhancement.strength"]), run["seed"])
        if store.result(run["run"]) is None:
            continue
        draw = np.random.default_rng(int(run["run"][:8], 16))
        for protocol, evaluation in run["evaluations"].items():
            if protocol == "train":
                continue
            value = accuracy(*key) + 0.001 * draw.normal()
            drawn = value + shared + draw.normal(0, noise, n)
            metrics = {"accuracy": value, "tar_at_far_1e-2": value - 0.2, "tar_at_far_1e-3": None}
            record = {
                "protocol": protocol, "run": run["run"], "metrics": metrics,
                "angles": {"edges_deg": EDGES, "intra": [1] * 60, "inter": [1] * 60},
                "facts": {"lists": "ab" * 32, "pairs": pairs, "genuine": pairs // 2},
                "measures": {"bootstrap": n, "seed": 0, "level": 0.95},
            }  # fmt: skip
            arrays = {
                "scores": np.linspace(-1, 1, 40, dtype=np.float32),
                "same": (np.arange(40) > 20).astype(np.uint8),
                f"{REPLICATES}accuracy": drawn.astype(np.float32),
                f"{REPLICATES}tar_at_far_1e-2": (drawn - 0.2).astype(np.float32),
                f"{REPLICATES}tar_at_far_1e-3": np.full(n, np.nan, np.float32),
            }
            store.write_evaluation(run["run"], evaluation, record, arrays)
    return store
