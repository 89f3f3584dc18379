"""Where the commands print, and how: tables or JSON to standard output, what happens meanwhile to standard error."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON value, ASCII only."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


def print_rows(rows: list[dict[str, Any]], as_json: bool, title: str, most: int | None = None) -> None:
    """A table with a column for each key, or the rows as JSON. ``most``: how many rows the table has at most."""
    if as_json:
        print_json(rows)
        return
    table = Table(title=Text(title, style="italic"), title_justify="left", box=SIMPLE, pad_edge=False)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("run", "name", "suite"))
    for row in rows[:most]:
        table.add_row(*(Text(str(row.get(column, ""))) for column in columns))
    _wrapped().print(table)
    if most is not None and len(rows) > most:
        say(f"… and {len(rows) - most:,} more; --json prints all {len(rows):,}")


def print_lines(rows: Sequence[Mapping[str, str]]) -> None:
    """Plain lines, a column a key and the last folded to the width: for thousands of rows, where a table takes long."""
    if not rows:
        return
    *columns, last = rows[0]
    widths = {column: max(len(column), *(len(row[column]) for row in rows)) for column in columns}
    indent = sum(widths.values()) + 2 * len(columns)
    room = max(20, _wrapped().width - indent)
    for row in [dict(zip(rows[0], rows[0], strict=True)), *rows]:
        first, *more = textwrap.wrap(shown(row[last]), room) or [""]
        line = "".join(f"{shown(row[column]):{width}}  " for column, width in widths.items())
        sys.stdout.write("\n".join([line + first, *(" " * indent + rest for rest in more)]) + "\n")


def print_columns(rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Lines in columns without rules or headings, the last column folded to the width; ``right``: aligned so."""
    lines = [list(map(shown, row)) for row in rows]
    if not lines:
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for column in range(len(lines[0])):
        last = column == len(lines[0]) - 1
        table.add_column(justify="right" if column in right else "left", overflow="fold", no_wrap=not last)
    for line in lines:
        table.add_row(*map(Text, line))
    _wrapped().print(table)


def say(text: str = "") -> None:
    """One paragraph, folded to the width."""
    _wrapped().print(Text(shown(text)))


def shown(text: str) -> str:
    """Text that may hold names from files, fit for a terminal: nothing in it moves the cursor or changes colours."""
    from bench.data.formats._lists import printable

    return "\n".join(map(printable, text.split("\n")))


def _wrapped() -> Console:
    return Console(highlight=False)
