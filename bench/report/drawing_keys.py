"""What a figure depends on, and a key that is another one as soon as any of it has changed."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.catalog import Spec
from bench.records import digest
from bench.report.results import ReportData
from bench.report.toy import kept_toys

_ROW = frozenset({
    "suite", "run", "seed", "status", "cell", "baseline", "backbone", "margin", "terms", "variant", "share", "select",
    "gate", "profile", "strength",
})  # fmt: skip
"""What tells rows apart, which every figure sees beside the axes."""
_ABOUT = ("command", "warnings", "notes", "file", "digest")
"""Of a plan, what says nothing of its runs; no figure sees it."""
_EVERYTHING = ("*", "events", "evaluations", "search", "toys")


def seen_by(spec: Spec, data: ReportData) -> ReportData:
    """What is handed to a figure: of the columns that were measured, and of what a search found, what it ``reads``."""
    reads = spec.traits.get("reads", _EVERYTHING)
    row = {*_ROW, *data.plan["axes"]}
    columns = [c for c in data.frame.columns if c in row or any(fnmatchcase(c, pattern) for pattern in reads)]
    return replace(
        data,
        frame=data.frame[columns],
        plan={key: value for key, value in data.plan.items() if key not in _ABOUT},
        search=data.search if "search" in reads else None,
    )


def takes_long(spec: Spec) -> bool:
    """Whether a figure is likely to: it reads stored files beside the rows, or computes all that it shows."""
    reads = spec.traits.get("reads", _EVERYTHING)
    return not reads or not {"events", "evaluations"}.isdisjoint(reads)


def figure_keys(specs: Iterable[Spec], data: ReportData, setting: Sequence[Any]) -> dict[str, str]:
    """Figure → key: of its rows, the plan, the stored files it reads, its code, matplotlib, and ``setting``."""
    specs = list(specs)
    plan = digest({key: value for key, value in data.plan.items() if key not in _ABOUT})
    stamps = {run["run"]: data.store.stamps(run["run"], run["evaluations"].values()) for run in data.plan["runs"]}
    stored = {kind: digest(_of_kind(stamps, kind)) for kind in ("events", "evaluations")}
    stored["toys"] = digest(kept_toys(data.store, data.plan))
    shared = [plan, version("matplotlib"), *setting]
    keys = {}
    for spec in specs:
        seen, reads = seen_by(spec, data), spec.traits.get("reads", _EVERYTHING)
        files = [stored[kind] for kind in stored if kind in reads]
        search = None if seen.search is None else digest(seen.search)
        keys[spec.name] = digest(
            [code_of(spec.module), shared, seen.frame.to_json(double_precision=15), files, search]
        )  # fmt: skip
    return keys


def _of_kind(stamps: Mapping[str, Mapping[str, str]], kind: str) -> list[Any]:
    return [[run, {f: s for f, s in files.items() if f.startswith(kind)}] for run, files in stamps.items()]


@functools.cache
def code_of(module: str) -> str:
    """Digest of a module's source and of all that it imports, at its top or later, of its own package and of bench."""
    roots = {name.partition(".")[0]: _file(name.partition(".")[0]) for name in (module, "bench")}
    start = _file(module)
    if start is None:
        return ""
    waiting, found = [(module, start)], dict[Path, bytes]()
    while waiting:
        name, path = waiting.pop()
        if path in found:
            continue
        found[path] = path.read_bytes()
        for wanted in _imports(found[path], name if path.name == "__init__.py" else name.rpartition(".")[0]):
            root = roots.get(wanted.partition(".")[0])
            if root is not None and (there := _below(root, wanted)) is not None:
                waiting.append((wanted, there))
    return digest([content.decode(errors="replace") for _, content in sorted(found.items())])


def _file(module: str) -> Path | None:
    source = getattr(sys.modules.get(module), "__file__", None)
    return Path(source) if source else None


def _below(root: Path, module: str) -> Path | None:
    """The file of a module of a package, without importing it."""
    if root.name != "__init__.py":
        return None
    folder = root.parent.joinpath(*module.split(".")[1:])
    return next((path for path in (folder.with_suffix(".py"), folder / "__init__.py") if path.is_file()), None)


@functools.cache
def _imports(source: bytes, package: str) -> tuple[str, ...]:
    """Names that may be modules; those that only type checkers import are left out. Figures share most of theirs."""
    return tuple(_imported(ast.parse(source), package))


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
        elif not isinstance(node, ast.expr):
            waiting += ast.iter_child_nodes(node)
