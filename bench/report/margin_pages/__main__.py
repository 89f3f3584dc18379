"""``python -m bench.report.margin_pages FOLDER [NAME…]`` writes a page and a picture of margins into a folder.

Without names: of all of this project's own, with the page that lists them, and the marked table of the page on losses
that lies beside the folder. Pages of other packages' margins are written where their names are given.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.catalog import MARGINS
from bench.errors import BenchError
from bench.report.margin_pages.picture import save_picture
from bench.report.margin_pages.text import index, own_margins, page, table

BLOCK = re.compile(r"(?<=<!-- margins -->\n).*(?=<!-- margins:end -->)", re.DOTALL)


def write_pages(folder: Path, names: Sequence[str] = ()) -> None:
    """Writes them. Raises UnknownNameError for a name that is not registered."""
    specs = [MARGINS.get(name) for name in names] or own_margins()
    folder.mkdir(parents=True, exist_ok=True)
    for spec in specs:
        (folder / f"{spec.name}.md").write_text(page(spec), encoding="utf-8")
        save_picture(spec, folder / f"{spec.name}.png")
    if names:
        return
    (folder / "README.md").write_text(index(specs), encoding="utf-8")
    losses = folder.parent / "losses.md"
    if losses.is_file():
        losses.write_text(with_table(losses.read_text(encoding="utf-8")), encoding="utf-8")


def with_table(losses: str) -> str:
    """The page on losses with its marked table of margins written anew."""
    return BLOCK.sub(lambda _: table(own_margins()) + "\n", losses)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.report.margin_pages", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="name")
    given = parser.parse_args()
    try:
        write_pages(given.folder, given.names)
    except BenchError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
