"""A results folder made up from arithmetic: plans, results, evaluations and events, written through the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.records import digest
from bench.store import Store

EDGES = [float(edge) for edge in range(0, 181, 3)]
PROTOCOLS = ("lfw", "ytf", "cfp_fp")


def fabricate(
    root: Path,
    *,
    name: str = "made_up",
    backbones: Sequence[str] = ("small_cnn", "iresnet"),
    margins: Sequence[str] = ("normface", "arcface", "cosface"),
    strengths: Sequence[float] = (0.0, 0.01, 0.1, 1.0),
    seeds: Sequence[int] = (0, 1),
    protocols: Sequence[str] = PROTOCOLS,
    failed: Mapping[tuple[str, str, float, int], str] | None = None,
    missing: Sequence[tuple[str, str, float, int]] = (),
    plan: Mapping[str, Any] | None = None,
    epochs: int = 6,
) -> Store:
    """A store with one suite. ``failed`` and ``missing`` are keyed by (backbone, margin, strength, seed)."""
    store = Store(root)
    runs = []
    for backbone in backbones:
        for margin in margins:
            for strength in strengths:
                for seed in seeds:
                    key = (backbone, margin, strength, seed)
                    run = planned_run(*key, protocols=protocols)
                    runs.append(run)
                    if key in (failed or {}):
                        store.write_failure(run["run"], {"error": failed[key], "traceback": "", "step": 3})
                    elif key not in missing:
                        write_run(store, run, epochs)
    store.write_plan(
        name,
        {
            "schema": 1,
            "suite": name,
            "title": "A made-up ablation",
            "file": f"suites/{name}.yaml",
            "digest": "0123456789abcdef",
            "command": f"python -m bench run suites/{name}.yaml",
            "warnings": [],
            "axes": ["backbone", "margin", "enhancement.strength"],
            "report": {"caption": "", "metrics": ["accuracy", "tar_at_far_1e-2", "tar_at_far_1e-3"], "digits": 2},
            "protocols": list(protocols),
            "runs": runs,
            **(plan or {}),
        },
    )
    return store


def planned_run(backbone: str, margin: str, strength: float, seed: int, *, protocols: Sequence[str]) -> dict[str, Any]:
    term = {"strength": strength, "gate": {"name": "posterior"}, "profile": {"name": "matched"}} if strength else None
    config = {
        "backbone": {"name": backbone},
        "margin": {"name": margin, "s": 32.0, "margin_gradient": "true"},
        "enhancement": term,
        "pixels": 40,
        "seed": seed,
        "train": {"digest": "feed", "images": 100, "identities": 10},
        "semantics": 1,
    }
    run = digest(config)
    return {
        "run": run,
        "seed": seed,
        "cell": digest([backbone, margin, strength]),
        "baseline": digest([backbone, margin, 0.0]),
        "axes": {"backbone": backbone, "margin": margin, "enhancement.strength": f"{strength:g}"},
        "config": config,
        "evaluations": {protocol: digest([run, protocol]) for protocol in (*protocols, "train")},
    }


def accuracy(backbone: str, margin: str, strength: float, seed: int) -> float:
    """Share of pairs; what every made-up LFW record holds."""
    lift = {"normface": 0.0, "arcface": 0.02, "cosface": 0.025}.get(margin, 0.01)
    base = 0.88 + 0.03 * (backbone == "iresnet") + lift
    return round(base + 0.02 * min(strength, 0.1) / 0.1 - 0.03 * max(strength - 0.1, 0) + 0.004 * seed, 6)


def write_run(store: Store, run: Mapping[str, Any], epochs: int = 2, **result: Any) -> None:
    axes = run["axes"]
    key = (axes["backbone"], axes["margin"], float(axes["enhancement.strength"]), run["seed"])
    strength, quality = key[2], accuracy(*key)
    generator = np.random.default_rng(int(run["run"][:8], 16))
    for epoch in range(1, epochs + 1):
        base = 12 / epoch + 0.3 * generator.random() + strength
        store.append_event(
            run["run"],
            {
                "kind": "epoch", "epoch": epoch, "loss": base + strength, "base": base, "term": strength, "lr": 0.1,
                "target_angle_deg": 80 / epoch**0.5 - 5 * strength, "images_per_second": 100.0, "seconds": 1.0,
                "validation": {"accuracy": quality - 0.2 / epoch},
            },
        )  # fmt: skip
    spread = 34 - 8 * min(strength, 0.5)
    for protocol, evaluation in run["evaluations"].items():
        metrics: dict[str, float | None] = {"isotropy": 0.4 + 0.3 * min(strength, 1), "compactness_deg": spread}
        drop = {"lfw": 0.0, "ytf": 0.03, "cfp_fp": 0.06, "train": 0.0}.get(protocol, 0.0)
        intra = generator.normal(spread + 100 * drop, 9, 400).clip(0, 180)
        inter = generator.normal(84, 10, 400).clip(0, 180)
        angles = {"edges_deg": EDGES, "intra": counts(intra), "inter": counts(inter)}
        arrays = {"scores": np.zeros(0, np.float32), "same": np.zeros(0, np.uint8)}
        if protocol != "train":
            metrics |= {"accuracy": quality - drop, "tar_at_far_1e-2": quality - 0.2, "tar_at_far_1e-3": quality - 0.4}
            metrics["tar_at_far_1e-3"] = None if protocol == "ytf" else metrics["tar_at_far_1e-3"]
            scores = np.cos(np.radians(np.concatenate([intra + 20, inter]))).astype(np.float32)
            arrays = {"scores": scores, "same": np.repeat([1, 0], 400).astype(np.uint8)}
        record = {"protocol": protocol, "run": run["run"], "metrics": metrics, "angles": angles, "facts": {}}
        store.write_evaluation(run["run"], evaluation, record, arrays)
    store.write_result(
        run["run"],
        {
            "run": run["run"],
            "config": run["config"],
            "metrics": {"loss": 1.5, "images_per_second": 100.0, "train_seconds": 9.0},
            "execution_class": {"device": "cpu", "torch": "2.14", "blas": "openblas"},
            "environment": {"python": "3.12", "torch": "2.14", "commit": "c0ffee", "dirty": False},
            "epochs": epochs,
            **result,
        },
    )


def counts(angles: np.ndarray) -> list[int]:
    return [int(count) for count in np.histogram(angles, EDGES)[0]]
