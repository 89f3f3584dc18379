"""A search suite of seconds, and an executor that trains nothing: scores follow from the configuration."""

from pathlib import Path

from bench.store import Store
from bench.suite.suite import load_suite
from tests.tiny import SUITE, write_suite

TINY = SUITE.replace("protocols: [lfw, ytf, cfp_fp]}", "protocols: [lfw], validation: {identities: 0.5, pairs: 60}}")
TINY = TINY.replace("grid: {enhancement.strength: [0, 0.1]}\n", "").replace("normface, s: 16", "arcface, s: 16, m: 0.2")


def load(folder: Path, root: Path, search: str, *, grid: str = "", overrides: tuple[str, ...] = (), change=()):
    text = TINY + (f"search: {search}\n" if search else "") + (f"grid: {grid}\n" if grid else "")
    for old, new in change:
        assert old in text
        text = text.replace(old, new)
    return load_suite(write_suite(folder / "tiny.yaml", root, text), list(overrides))


def by_strength(config):
    """Best at a strength of 0.01; without the term 0.5."""
    strength = (config["enhancement"] or {}).get("strength", 0)
    return 0.9 - abs(strength - 0.01) / (1 + strength) / 2 if strength else 0.5


class MadeUp:
    """Does jobs as workers would, ``slots`` side by side, an epoch of each in turn; keeps what it was handed."""

    def __init__(self, score=by_strength, slots=1):
        self.score, self.slots, self.jobs, self.running = score, slots, [], 0

    def run(self, jobs, on_event):
        under_way = []
        while True:
            while len(under_way) < self.slots and (job := next(jobs, None)) is not None:
                self.jobs.append(job)
                under_way.append(self._train(job, on_event))
            self.running = max(self.running, len(under_way))
            if not under_way:
                return
            under_way = [each for each in under_way if next(each, "over") != "over"]

    def _train(self, job, on_event):
        store = Store(Path(job.results))
        (run,) = job.runs
        key, config = run["run"], run["config"]
        epochs = config["recipe"]["epochs"]
        store.write_config(key, config)
        for epoch in range(1, epochs + 1):
            try:
                accuracy = self.score(config) * epoch / epochs
            except RuntimeError as error:
                on_event({"run": key, "kind": "failed", "error": str(error)})
                return
            event = {"kind": "epoch", "epoch": epoch, "epochs": epochs, "validation": {"accuracy": accuracy}}
            event |= {"seconds": 2.0 * epoch, "images_per_second": 1.0}
            store.append_event(key, event)
            verdict = on_event({"run": key, **event})
            if job.ask and verdict == "prune":
                on_event({"run": key, "kind": "pruned"})
                return
            yield "going on"
        result = {"run": key, "config": config, "epochs": epochs, "selected_epoch": epochs, "steps": 1}
        result |= {
            "validation": {"accuracy": accuracy},
            "metrics": {"train_seconds": 2.0 * epochs, "images_per_second": 1.0},
        }
        store.write_result(key, result)
        on_event({"run": key, "kind": "done"})
