"""A protocol by its short name, or by format and options, outside of any suite."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.data.cache import cache_root
from bench.data.protocols import PackedProtocol, open_protocol, pack_protocol
from bench.data.resolve import Tell, check_facts, data_root, read_source
from bench.data.types import Protocol
from bench.errors import DataError, Mistake, SuiteError, unknown_name
from bench.suite.data_block import KNOWN_PROTOCOLS, Data, ProtocolSource
from bench.suite.named import resolve


@dataclass(frozen=True, eq=False)
class FoundProtocol:
    """A protocol's lists, read and checked, and where they come from; ``notes``: what was allowed, in sentences."""

    name: str
    source: ProtocolSource
    protocol: Protocol
    notes: tuple[str, ...]

    def packed(self, *, pixels: int, cache: Path, tell: Tell | None = None) -> PackedProtocol:
        """With its images, decoded into the packed store unless they are there. Raises as `pack_protocol` does."""
        digest = pack_protocol(
            self.protocol, pixels=pixels, cache=cache, on_bad_image=self.source.on_bad_image,
            progress=(lambda done, total: tell(f"packing {self.name}", done, total)) if tell else None,
        )  # fmt: skip
        return open_protocol(cache, digest)


def find_protocols(
    names: Sequence[str], *, root: str | None, format_name: str | None = None, options: Mapping[str, Any] | None = None,
    synthetic: Mapping[str, Any] | None = None, cache: Path | None = None, tell: Tell | None = None,
) -> list[FoundProtocol]:  # fmt: skip
    """Reads the lists of protocols; no image is decoded.

    ``names``: short names, such as lfw, each in its folder below ``root``: a folder, "synthetic", or None for the
    environment variable BENCH_DATA_ROOT. With ``format_name`` one protocol is read at ``root`` itself, and at most one
    name is given, which is what the record calls it. ``options``: fields of a suite's protocol and options of its
    format, for one protocol. ``synthetic``: fields of a suite's ``data.synthetic``. Raises SuiteError or DataError.
    """
    data = _data_block(_sources(names, format_name, options or {}), root, synthetic or {})
    place = data_root(data, cache or cache_root(), tell)
    found = []
    for source in data.protocols:
        notes: dict[str, None] = {}
        protocol: Protocol = read_source(source, place)
        check_facts(source, protocol, place, notes)
        found.append(FoundProtocol(source.name, source, protocol, tuple(notes)))
    return found


def _sources(names: Sequence[str], format_name: str | None, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    if format_name is None:
        wrong = [unknown_name("protocol", name, KNOWN_PROTOCOLS) for name in names if name not in KNOWN_PROTOCOLS]
        if wrong or not names:
            known = f"known: {', '.join(KNOWN_PROTOCOLS)}"
            problem = "; ".join(wrong) or f"name at least one protocol ({known})"
            raise SuiteError([_mistake("", f"{problem}; --format reads any other")])
    if (options or format_name) and len(names) > 1:
        raise SuiteError([_mistake("", f"--format and --option are for one protocol, found {', '.join(names)}")])
    if format_name is None:
        return [{"name": name, **options} for name in names]
    name = names[0] if names else format_name
    return [{"name": name, "format": format_name, "path": ".", **options}]


def _data_block(sources: list[dict[str, Any]], root: str | None, synthetic: Mapping[str, Any]) -> Data:
    """A suite's data block, checked as there."""
    root = root or os.environ.get("BENCH_DATA_ROOT")
    if not root:
        raise DataError("no data: pass --root PATH or --root synthetic, or set the variable BENCH_DATA_ROOT")
    if synthetic and root != "synthetic":
        raise SuiteError([_mistake("--synthetic", "is only read with --root synthetic")])
    try:
        data = Data.model_validate({"root": root, "synthetic": synthetic, "protocols": sources})
    except ValidationError as error:
        raise SuiteError([_mistake(_dotted(e["loc"]), e["msg"]) for e in error.errors(include_url=False)]) from None
    mistakes: list[Mistake] = []
    checked: Data = resolve("data", data, lambda at, problem: mistakes.append(_mistake(_dotted(at[1:]), problem)))
    if mistakes:
        raise SuiteError(mistakes)
    return checked


def _dotted(location: Sequence[str | int]) -> str:
    """``protocols.0.frames`` as ``frames``: there is one protocol with options."""
    return ".".join(str(part) for part in location if part != "protocols" and not isinstance(part, int))


def _mistake(field: str, problem: str) -> Mistake:
    return Mistake("bench evaluate", None, field, problem)
