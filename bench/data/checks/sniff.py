"""What a path looks like from outside: names in a folder, the first bytes of a file. Nothing is decoded or run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bench.data.formats._lists import IMAGE_SUFFIXES, printable, quoted

HEAD = 4096
# First bytes → what the file is, and the formats that read it.
MAGIC: tuple[tuple[bytes, str, tuple[str, ...]], ...] = (
    (b"\x0a\x23\xd7\xce", "MXNet RecordIO", ("rec",)),
    (b"\xff\xd8\xff", "one JPEG image", ()),
    (b"\x89PNG\r\n\x1a\n", "one PNG image", ()),
    (b"BM", "one BMP image", ()),
    (b"RIFF", "one WebP image", ()),
    (b"GIF8", "one GIF image", ()),
    (b"\x93NUMPY", "a NumPy array", ()),
    (b"PAR1", "a Parquet table", ()),
    (b"PK\x03\x04", "a zip archive (or .npz); unpack it first", ()),
    (b"\x1f\x8b", "a gzip archive; unpack it first", ()),
    (b"BZh", "a bzip2 archive; unpack it first", ()),
    (b"\xfd7zXZ", "an xz archive; unpack it first", ()),
    (b"\x89HDF", "an HDF5 file", ()),
)
# Entries of a folder that together mark a layout.
MARKS: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = (
    (("images.u8", "index.json"), "a packed store of this program", ()),
    (("Data", "Protocol"), "CFP", ("cfp", "cfp_images")),
    (("pairs.txt",), "LFW", ("lfw", "lfw_images")),
    (("aligned_images_DB",), "YouTube Faces", ("ytf",)),
    (("splits.txt",), "YouTube Faces", ("ytf",)),
    (("train.rec",), "InsightFace's training set", ("rec",)),
    (("meta", "loose_crop"), "IJB-B or IJB-C", ("ijb",)),
    (("data.mdb",), "an LMDB data base", ()),
)


@dataclass(frozen=True)
class Looks:
    """What a path looks like, in words; the formats made for that; ``text``: whether lists may be read from it."""

    what: str
    formats: tuple[str, ...] = ()
    text: bool = False


def sniff(path: Path) -> Looks:
    """Raises OSError where the path is missing or cannot be read."""
    return _folder(path) if path.is_dir() else _file(path)


def _file(path: Path) -> Looks:
    size = path.stat().st_size
    if not path.is_file():
        return Looks("neither a file nor a folder")
    if size == 0:
        return Looks("an empty file")
    with path.open("rb") as content:
        head = content.read(HEAD)
    # Protocols 2 to 5 of pickle begin with an opcode and their number; older ones, with a mark or a list.
    if (head[:1] == b"\x80" and 2 <= head[1] <= 5) or head[:3] in (b"(lp", b"((l") or head[:2] == b"(]":
        return Looks("a Python pickle (InsightFace's .bin, if it holds images and truth values)", ("bin",))
    text = _text(head)
    if text is not None:
        first = next((line.strip() for line in text.split("\n") if line.strip()), "")
        known = next((f"; {what}'s list: inspect its folder" for marks, what, _ in MARKS if marks == (path.name,)), "")
        return Looks(f"a text file that begins with {quoted(first)}{known}", text=True)
    for magic, what, formats in MAGIC:
        if head.startswith(magic):
            return Looks(what, formats)
    return Looks(f"a file of no kind known here (it begins with the bytes {head[:8].hex(' ')})")


def _text(head: bytes) -> str | None:
    """The beginning of a file as text, to its last whole line where it is longer; None where it is no text."""
    whole = head if len(head) < HEAD else head[: head.rfind(b"\n") + 1] or head
    try:
        text = whole.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\t\r\n" for c in text) else None


def _folder(path: Path) -> Looks:
    with os.scandir(path) as entries:
        names = {entry.name: entry.is_dir() for entry in entries if not entry.name.startswith(".")}
    if not names:
        return Looks("an empty folder")
    for marks, what, formats in MARKS:
        if all(mark in names for mark in marks):
            return Looks(f"{what} (holds {' and '.join(marks)})", formats, text=True)
    for suffix, what, fmt in ((".rec", "record files", "rec"), (".bin", "InsightFace's .bin files", "bin")):
        files = sorted(name for name, is_folder in names.items() if name.endswith(suffix) and not is_folder)
        if files:
            shown = ", ".join(map(printable, files[:5])) + (", …" if len(files) > 5 else "")
            return Looks(f"a folder with {what}; inspect one of them: {shown}", (fmt,), text=True)
    folders = sum(names.values())
    images = sum(name.lower().endswith(IMAGE_SUFFIXES) for name, is_folder in names.items() if not is_folder)
    counts = f"{folders:,} sub-folders, {images:,} images and {len(names) - folders - images:,} other files"
    return Looks(f"a folder of {counts}", ("folder",) if folders else (), text=True)
