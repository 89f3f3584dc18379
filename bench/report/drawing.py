"""A suite's figures as files: each drawn only if what it shows or its code has changed, over processes where that pays.

A figure that cannot be drawn is told, and ends nothing. Equal results give equal files.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.catalog import FIGURES, Spec
from bench.collecting import nothing_to_collect
from bench.data.parallel import cores
from bench.records import write_bytes, write_json
from bench.report.drawing_keys import figure_keys, seen_by, takes_long
from bench.report.drawing_processes import Begin, in_processes
from bench.report.page import DrawnFigure
from bench.report.results import ReportData
from bench.store import Store

if TYPE_CHECKING:
    from bench.report.figures._plot import Drawing

PNG_DPI = 180
ENDINGS = ("png", "pdf", "csv")
FEW = 400
"""Finished runs times figures to draw: starting processes costs more than drawing these in the caller."""
MOST_PROCESSES = 8
"""Each holds some 50 to 100 MB of its own, one that needs torch half a gigabyte."""

Files = dict[str, bytes]
"""Ending → content; none where a figure had nothing to draw."""


@dataclass(frozen=True)
class Drawn:
    """The figures that had something to draw, in the order of the registry, and by name why others could not be."""

    figures: tuple[DrawnFigure, ...]
    failures: Mapping[str, str]

    @property
    def warnings(self) -> list[str]:
        return [f"figure {name} could not be drawn: {reason}" for name, reason in self.failures.items()]


def first_drawing(plan: Mapping[str, Any], folder: Path) -> AbstractContextManager[Begin | None]:
    """Where a suite of many runs was never drawn into ``folder``: a process that gets ready while results are read."""
    much = len(plan["runs"]) * len(FIGURES.names()) > FEW and cores() > 1 and not (folder / "drawn.json").exists()
    return in_processes(warm) if much else nullcontext()


@contextmanager
def drawing_figures(
    data: ReportData, folder: Path, stamp: Mapping[str, str] | None = None, ready: Begin | None = None
) -> Iterator[Callable[[], Drawn]]:
    """Every registered figure of a suite, drawn beside the block where there are enough of them for processes.

    Yields what finishes them: they are written into ``folder``, and what a figure no longer has is removed from there.
    ``stamp``: short texts that every picture carries (PNG text chunks, the keywords of a PDF). What it yields raises
    StoreError where the folder cannot be written. ``ready``: of `first_drawing`.
    """
    stamp = dict(stamp or {})
    specs = {spec.name: spec for spec in FIGURES}
    keys = figure_keys(specs.values(), data, [stamp, PNG_DPI])
    kept: dict[str, Files | str] = {**_kept(folder, keys)}
    todo = sorted((name for name in specs if name not in kept), key=lambda name: not takes_long(specs[name]))
    count = min(cores(), len(todo), MOST_PROCESSES) if len(data.done) * len(todo) > FEW else 1
    sent = (replace(data, store=Store(data.store.root)), stamp)
    with nullcontext(ready) if ready or count == 1 else in_processes(warm) as begin:
        drawn_there = dict if begin is None or count == 1 else begin(count, draw_one, todo, *sent)

        def drawn() -> Drawn:
            found = {**kept, **drawn_there()}
            found |= {name: draw_one(name, data, stamp) for name in todo if name not in found}
            files = {name: made for name in specs if not isinstance(made := found[name], str)}
            for name in todo:
                for ending, content in files.get(name, {}).items():
                    write_bytes(folder / f"{name}.{ending}", content)
            _remember(folder, {name: keys[name] for name in files}, files)
            figures = [DrawnFigure(name, specs[name].summary, **made) for name, made in files.items() if made]
            return Drawn(tuple(figures), {name: made for name, made in found.items() if isinstance(made, str)})

        yield drawn


def warm() -> None:
    """Imports, and reads of fonts, what every figure needs."""
    import scipy.special  # noqa: F401
    from matplotlib.figure import Figure

    from bench.report.figures._plot import style

    list(FIGURES)
    with style():
        figure = Figure(layout="constrained")
        figure.subplots().set(xlabel="λ (°)", ylabel="−0.1", title="≤", xscale="log")
        for kind in ("png", "pdf"):
            figure.savefig(io.BytesIO(), format=kind)


def draw_one(name: str, data: ReportData, stamp: Mapping[str, str]) -> Files | str:
    """The files of a figure, or in one line why it could not be drawn."""
    from bench.report.figures._plot import style

    try:
        spec = FIGURES.get(name)
        with style(), nothing_to_collect():
            drawing = spec.function(seen_by(spec, data))
            return {} if drawing is None else files_of(spec, drawing, stamp)
    except Exception as error:  # whatever a figure may raise, somebody's own included
        return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def files_of(spec: Spec, drawing: Drawing, stamp: Mapping[str, str], dpi: float = PNG_DPI) -> Files:
    """PNG, PDF and CSV, without dates or versions in them."""
    import warnings

    import matplotlib as mpl

    figure, png, pdf = drawing.figure, io.BytesIO(), io.BytesIO()
    keywords = "; ".join(f"{key}: {value}" for key, value in stamp.items())
    told: dict[str, Any] = {"CreationDate": None, "Creator": None, "Producer": None, "Title": spec.name}
    with warnings.catch_warnings(), mpl.rc_context({"figure.constrained_layout.use": False}):
        warnings.filterwarnings("ignore", "Glyph")  # a name in a script that the font lacks shows boxes
        # Laid out once, for all files: that takes longer than drawing, and each way of saving would do it anew.
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)
        figure.set_layout_engine(None)
        figure.savefig(png, format="png", dpi=dpi, metadata={"Software": None, "Title": spec.name, **stamp})
        figure.savefig(pdf, format="pdf", metadata={**told, **({"Keywords": keywords} if keywords else {})})
    csv = drawing.data.to_csv(index=False, lineterminator="\n", float_format="%.10g")
    return {"png": png.getvalue(), "pdf": pdf.getvalue(), "csv": csv.encode()}


def _kept(folder: Path, keys: Mapping[str, str]) -> dict[str, Files]:
    """The figures whose files are there as they were written, from what is drawn now too."""
    try:
        record = json.loads((folder / "drawn.json").read_bytes())["figures"]
        known = {name: record[name]["files"] for name, key in keys.items() if record.get(name, {}).get("key") == key}
        return {
            name: contents
            for name, sums in known.items()
            if (contents := _sound(folder, name, sums)) is not None
        }  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # not drawn yet, or damaged


def _sound(folder: Path, name: str, sums: Mapping[str, str]) -> Files | None:
    try:
        contents = {ending: (folder / f"{name}.{ending}").read_bytes() for ending in ENDINGS if ending in sums}
    except OSError:
        return None
    return contents if {ending: _sha256(content) for ending, content in contents.items()} == sums else None


def _remember(folder: Path, keys: Mapping[str, str], files: Mapping[str, Files]) -> None:
    figures = {
        name: {"key": keys[name], "files": {ending: _sha256(content) for ending, content in made.items()}}
        for name, made in files.items()
    }
    write_json(folder / "drawn.json", {"figures": figures})
    current = {f"{name}.{ending}" for name, made in files.items() for ending in made}
    for path in folder.iterdir():  # figures of an earlier report would be taken for its own
        if path.suffix[1:] in ENDINGS and path.name not in current:
            path.unlink()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
