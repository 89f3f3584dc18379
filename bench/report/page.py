"""The pages: one self-contained file a suite, and an index over all suites. No request leaves either."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bench.report.results import CANCELLED, DONE, FAILED, MISSING

_TYPES = {"csv": "text/csv", "md": "text/markdown", "tex": "text/x-tex", "json": "application/json",
          "pdf": "application/pdf", "png": "image/png"}  # fmt: skip
EMBEDDED = 400_000
"""Bytes up to which a file is held by the page itself, so that it can be had of a page that was mailed alone."""


@dataclass(frozen=True)
class DrawnFigure:
    """A figure as files: its registered name and summary, PNG and PDF bytes, and as CSV what it shows."""

    name: str
    summary: str
    png: bytes
    pdf: bytes
    csv: bytes | None = None


@dataclass(frozen=True)
class Section:
    """A part of the page: its anchor, its heading, and what is below it, in which every text is escaped."""

    id: str
    title: str
    html: Markup


def render_page(
    plan: Mapping[str, Any],
    counts: Mapping[str, int],
    sections: Sequence[Section],
    records: Mapping[str, Any],
    refresh: int | None = None,
) -> str:
    """The suite's page. ``counts``: as of `count_runs`; ``records``: as of `run_records`, which its script shows.

    ``refresh``: seconds after which the page loads itself again, for one that is written anew while the suite trains.
    """
    return _render(
        "page.html.j2",
        title=plan["title"] or plan["suite"],
        suite=plan["suite"],
        counts=counts,
        warnings=plan["warnings"],
        sections=sections,
        records=script_json(records),
        refresh=refresh,
    )


def render_index(suites: Sequence[Mapping[str, Any]]) -> str:
    """The index: each suite's name, title, counts as of ``count_runs``, and ``reported`` (it has a page)."""
    return _render("index.html.j2", suites=suites)


def count_runs(frame: pd.DataFrame) -> dict[str, int]:
    return {"planned": len(frame), **{s: int((frame["status"] == s).sum()) for s in (DONE, FAILED, CANCELLED, MISSING)}}


def data_uri(name: str, content: bytes) -> Markup:
    """Of a file's content, by the ending of its name."""
    kind = _TYPES[name.rpartition(".")[2]]
    return Markup(f"data:{kind};base64,{base64.b64encode(content).decode()}")


def link(path: str, content: bytes) -> Markup:
    """Where a file is to be had: in the page itself, or beside it where it is large."""
    return data_uri(path, content) if len(content) <= EMBEDDED else Markup.escape(path)


def script_json(value: Any) -> Markup:
    """JSON that nothing in it can end the script element it stands in; equal values give equal text."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


@cache
def templates() -> Environment:
    found = Environment(
        loader=PackageLoader("bench.report", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    found.filters["tied"] = _tied
    return found


def _tied(text: str) -> str:
    """No line break between a number and its unit, nor between a sign and its value."""
    return re.sub(r"(?<=\d) (?=%)|(?<=[λ=<±]) (?=\d)", "\N{NO-BREAK SPACE}", text)


def _render(template: str, **values: Any) -> str:
    style, script = _own("page.css"), _own("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    inline = {"style": Markup(style), "script": Markup(script), "policy": Markup(policy)}
    return templates().get_template(template).render(**inline, **values)


@cache
def _own(name: str) -> str:
    return files("bench.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
