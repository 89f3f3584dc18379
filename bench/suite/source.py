"""Reading a suite's YAML so that every value knows its line."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.errors import Mistake, SuiteError

Location = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader that also reads 1e-3 as a number (YAML 1.1 takes it for text)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


@dataclass(frozen=True)
class Source:
    """A parsed YAML document: its value, and the line on which every key or item stands."""

    file: str
    value: dict[str, Any]
    lines: dict[Location, int] = field(default_factory=dict)

    def line(self, location: Location) -> int | None:
        """Line of a location, or of the nearest enclosing one that is in the file."""
        for end in range(len(location), 0, -1):
            if location[:end] in self.lines:
                return self.lines[location[:end]]
        return None

    def mistake(self, location: Location, problem: str) -> Mistake:
        return Mistake(self.file, self.line(location), dotted(location), problem)


def dotted(location: Location) -> str:
    """``('grid', 'margin', 1, 'm')`` as ``grid.margin[1].m``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_source(path: Path) -> Source:
    """Reads a YAML file whose top is a mapping. Raises SuiteError with file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SuiteError([Mistake(str(path), None, "", "no such suite file")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError([Mistake(str(path), None, "", f"cannot be read: {error}")]) from None
    return parse_source(text, str(path))


def parse_source(text: str, file: str) -> Source:
    """Parses YAML text whose top is a mapping; duplicate keys, which YAML would drop silently, are mistakes."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        value = loader.construct_document(node) if node is not None else {}
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark else None
        raise SuiteError([Mistake(file, line, "", f"not valid YAML: {problem}")]) from None
    finally:
        loader.dispose()
    if not isinstance(value, dict):
        raise SuiteError([Mistake(file, 1, "", f"a suite is a mapping of blocks, found {type(value).__name__}")])
    lines: dict[Location, int] = {}
    mistakes: list[Mistake] = []
    if node is not None:
        for location, line, problem in _walk(node, ()):
            if problem:
                mistakes.append(Mistake(file, line, dotted(location), problem))
            lines.setdefault(location, line)
    if mistakes:
        raise SuiteError(mistakes)
    return Source(file, value, lines)


def parse_value(text: str) -> Any:
    """One value as it would be read in a suite: for ``--set field=value``."""
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def parse_options(flag: str, words: Iterable[str]) -> dict[str, Any]:
    """``["frames=5"]`` as ``{"frames": 5}``: words that were given to ``flag``, values read as in a suite.

    Raises SuiteError naming every word that is no KEY=VALUE, and every key that comes twice.
    """
    options: dict[str, Any] = {}
    mistakes = []
    for word in words:
        key, equals, text = word.partition("=")
        try:
            value = parse_value(text)
        except yaml.YAMLError:
            equals = ""
        if not equals or not key:
            mistakes.append(Mistake(flag, None, "", f"must be KEY=VALUE, found {word!r}"))
        elif key in options:
            mistakes.append(Mistake(flag, None, key, "is given twice"))
        else:
            options[key] = value
    if mistakes:
        raise SuiteError(mistakes)
    return options


def _walk(node: yaml.Node, at: Location) -> Iterator[tuple[Location, int, str]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, value in node.value:
            name = str(key.value)
            location = (*at, name)
            again = name in seen
            seen.add(name)
            yield location, key.start_mark.line + 1, "is given twice" if again else ""
            yield from _walk(value, location)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*at, index), item.start_mark.line + 1, ""
            yield from _walk(item, (*at, index))
