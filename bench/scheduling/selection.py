"""Which runs a command means: by a suite's name or file, or by the beginning of a run's id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError, StoreError, UnknownNameError, nearest
from bench.scheduling.plan import PlannedRun
from bench.store import Store
from bench.suite.source import read_source

SHOWN = 10


@dataclass(frozen=True)
class Asked:
    """A run as one suite's plan asks for it; ``record`` as it stands in ``plan.json``."""

    suite: str
    record: Mapping[str, Any]

    @property
    def run(self) -> str:
        return str(self.record["run"])

    @property
    def name(self) -> str:
        """Its values on the axes and its seed."""
        return ", ".join([*self.record["axes"].values(), f"seed {self.record['seed']}"])

    def state(self, store: Store) -> str:
        """See ``Store.state``."""
        return store.state(self.run, self.record["evaluations"].values())


def suite_name(text: str) -> str:
    """A suite's name; where its file is given, what the file calls it. Raises SuiteError for a file that is none."""
    path = Path(text)
    if path.suffix not in (".yaml", ".yml"):
        return text
    return str(read_source(path).value.get("name", path.stem)) if path.is_file() else path.stem


def asked_by(store: Store, suite: str) -> list[Asked]:
    """The runs of a suite, in plan order; one that several cells share, once for each."""
    return [Asked(suite, record) for record in store.plan(suite)["runs"]]


def asked(store: Store) -> list[Asked]:
    """The runs of all suites that have a plan here, suite by suite."""
    return [run for suite in store.suite_names() for run in asked_by(store, suite)]


def selected(store: Store, words: Sequence[str]) -> list[Asked]:
    """The runs that the words mean, each a suite or the beginning of a run's id; every suite's view of a named run.

    Raises UnknownNameError for a word that is neither, with the nearest; BenchError for one that means several runs.
    """
    everything, suites = asked(store), store.suite_names()
    found: dict[int, Asked] = {}
    for word in words:
        name = suite_name(word)
        if name in suites:
            chosen = [i for i, run in enumerate(everything) if run.suite == name]
        else:
            run = only_run([run.run for run in everything], word, store.root, suites)
            chosen = [i for i, asked_for in enumerate(everything) if asked_for.run == run]
        found |= {i: everything[i] for i in chosen}
    return [found[i] for i in sorted(found)]


def only_run(known: Sequence[str], word: str, where: Path, suites: Sequence[str] = ()) -> str:
    """The one run whose id begins with ``word``. ``suites``: what else the word might have been meant for."""
    runs = sorted(set(known))
    if word in runs:
        return word
    found = [run for run in runs if word and run.startswith(word)]
    if len(found) == 1:
        return found[0]
    if found:
        more = f", … ({len(found)} in all)" if len(found) > SHOWN else ""
        raise BenchError(f"{where}: {len(found)} runs begin with {word}: {', '.join(found[:SHOWN])}{more}")
    near = nearest(word, [*suites, *runs])
    hint = f"; did you mean {near}?" if near else f" ({len(runs)} runs there)"
    raise UnknownNameError(f"{where}: no {'suite or ' if suites else ''}run {word!r}{hint}")


def planned(runs: Sequence[Asked], store: Store) -> Iterator[tuple[str, list[PlannedRun]]]:
    """What a scheduler needs of these runs, suite by suite. Raises StoreError for a plan of an older version."""
    for suite in dict.fromkeys(run.suite for run in runs):
        whole = [PlannedRun.from_record(run.record) for run in runs if run.suite == suite]
        if None in whole:
            file = store.plan(suite)["file"]
            raise StoreError(
                f"the plan of suite {suite!r} was written by an older version and does not say what its runs are "
                f"tested on; use `bench run {file}`"
            )
        yield suite, [run for run in whole if run is not None]
