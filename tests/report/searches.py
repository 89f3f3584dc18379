"""Made-up records of searches, as the store keeps them."""

import math
from typing import Any

import numpy as np

FLOAT = {"kind": "float", "log": False, "step": None, "choices": None, "when": None}
SPACE: dict[str, dict[str, Any]] = {
    "enhancement.strength": {**FLOAT, "low": 1e-4, "high": 1.0, "log": True},
    "margin.m": {**FLOAT, "low": 0.1, "high": 0.6},
    "recipe.optimiser.lr": {**FLOAT, "low": 1e-3, "high": 0.3, "log": True},
    "recipe.epochs": {**FLOAT, "kind": "int", "low": 4, "high": 12},
    "enhancement.gate": {"kind": "categorical", "choices": ["posterior", "spectral", "flat"], "when": None},
    "enhancement.gate.gamma": {**FLOAT, "low": 1.0, "high": 4.0, "when": {"enhancement.gate": ["spectral"]}},
}
ONE = ("enhancement.strength",)


def record(
    *, trials: int = 40, names: tuple[str, ...] = tuple(SPACE), labels: tuple[str, ...] = ("",),
    objectives: tuple[str, ...] = ("accuracy",), whole: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """A search of so many trials a study, of which some were pruned and some failed unless it is ``whole``."""
    directions = {"accuracy": "maximize", "isotropy": "maximize", "cost": "minimize"}
    found = [_study(label, at, trials, names, objectives, whole) for at, label in enumerate(labels)]
    tried = [trial for study in found for trial in study["trials"]]
    return {
        "schema": 2,
        "suite": "made_up",
        "command": "python -m bench search suites/made_up.yaml",
        "fair": "margin" if labels != ("",) else None,
        "text": "made up",
        "objectives": [{"name": n, "direction": directions[n], "where": "validation identities"} for n in objectives],
        "space": {name: SPACE[name] for name in names},
        "sampler": {"name": "tpe"},
        "pruner": {"name": "median"},
        "seeds": [0],
        "budget": {
            "trials": trials * len(labels),
            "configurations": len(tried),
            "epochs": sum(trial["epochs"] for trial in tried),
            "seconds": math.fsum(trial["seconds"] or 0 for trial in tried),
        },
        "studies": found,
    }


def _study(
    label: str, at: int, trials: int, names: tuple[str, ...], objectives: tuple[str, ...], whole: bool
) -> dict[str, Any]:
    draw = np.random.default_rng(7 + at)
    rows = []
    for number in range(trials):
        params = {name: _drawn(draw, SPACE[name]) for name in names}
        if params.get("enhancement.gate", "spectral") != "spectral":
            params.pop("enhancement.gate.gamma", None)
        values = _values(params, at, draw, objectives)
        state = "complete" if whole or number % 7 < 5 else ("pruned", "failed")[number % 2]
        intermediate = {} if state == "failed" else {str(e): values[0] - 0.1 / e for e in range(1, 4)}
        rows.append(
            {
                "number": number, "state": state, "params": params,
                "values": values if state == "complete" else None, "runs": [f"{at:02d}{number:014d}"],
                "intermediate": intermediate, "epochs": len(intermediate), "seconds": float(len(intermediate)) or None,
                "why": "the loss is not finite" if state == "failed" else None,
            }
        )  # fmt: skip
    base = _values({**rows[0]["params"], "enhancement.strength": 1e-4}, at, draw, objectives)
    done = [row for row in rows if row["state"] == "complete"]
    return {
        "label": label,
        "study": f"made_up {label}",
        "trials": rows,
        "baseline": {**rows[0], "number": -1, "state": "complete", "values": base, "why": None,
                     "params": {**rows[0]["params"], "enhancement.strength": 0.0}},
        "baseline_interval": [base[0] - 0.02, base[0] + 0.02],
        "best": _front(done, objectives),
        "final": {"best": f"best{at}", "baseline": f"base{at}", "seeds": [101, 102, 103]},
    }  # fmt: skip


def _drawn(draw: np.random.Generator, block: dict[str, Any]) -> Any:
    if block["kind"] == "categorical":
        return str(draw.choice(block["choices"]))
    low, high = block["low"], block["high"]
    if block.get("log"):
        return float(np.exp(draw.uniform(np.log(low), np.log(high))))
    return int(draw.integers(low, high + 1)) if block["kind"] == "int" else float(draw.uniform(low, high))


def _values(params: dict[str, Any], at: int, draw: np.random.Generator, objectives: tuple[str, ...]) -> list[float]:
    strength = np.log10(params.get("enhancement.strength", 0.01))
    rate = np.log10(params.get("recipe.optimiser.lr", 0.03))
    accuracy = 0.93 + 0.01 * at - 0.012 * (strength + 1.2) ** 2 - 0.03 * (rate + 1.4) ** 2 + draw.normal(0, 0.004)
    accuracy += 0.01 * (params.get("enhancement.gate") == "spectral")
    known = {"accuracy": float(min(accuracy, 1.0)), "isotropy": float(0.6 + 0.05 * strength + draw.normal(0, 0.02)),
             "cost": float(4 * params.get("recipe.epochs", 5) + draw.normal(0, 2))}  # fmt: skip
    return [known[name] for name in objectives]


def _front(done: list[dict[str, Any]], objectives: tuple[str, ...]) -> list[int]:
    signs = np.array([-1 if name == "cost" else 1 for name in objectives])
    points = {row["number"]: signs * np.array(row["values"]) for row in done}
    if len(objectives) == 1:
        return [max(points, key=lambda number: float(points[number][0]))] if points else []
    return [
        n for n, p in points.items()
        if not any((q >= p).all() and (q > p).any() for q in points.values())
    ]  # fmt: skip
