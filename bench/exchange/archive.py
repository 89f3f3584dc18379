"""The zip file of an export: written to equal bytes, and read as what strangers sent.

Nothing is ever unpacked by its own name: a member whose name is not one of `ALLOWED` is refused with the whole file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import BenchError, some

MANIFEST = "manifest.json"
SCHEMA = 1
MOST_MEMBERS = 500_000
MOST_BYTES = 64 * 2**30
SUSPECT_BYTES, SUSPECT_RATIO = 16 * 2**20, 200
"""A member larger than so many bytes may not be so many times its packed size: arrays and records never are."""

_RUN = r"runs/[0-9a-f]{16}/"
_FILE = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,120}"
ALLOWED = re.compile(
    r"README\.txt|manifest\.json|plan\.json|suite\.yaml|search\.json|environment\.json"
    rf"|{_RUN}(?:config\.json|result\.json|failure\.json|cancelled\.json|events\.jsonl)"
    rf"|{_RUN}evaluations/[0-9a-f]{{16}}\.(?:json|safetensors)"
    rf"|{_RUN}checkpoint/(?:backbone|head)\.safetensors"
    r"|people/[0-9a-f]{1,64}\.safetensors"
    rf"|report/(?:figures/)?{_FILE}"
)
_MOMENT = (1980, 1, 1, 0, 0, 0)


class ExchangeError(BenchError):
    """An export cannot be written or read, or is not what it says it is."""


Content = Callable[[], bytes]


def write_archive(path: Path, members: Mapping[str, Content], about: Mapping[str, Any], *, force: bool) -> str:
    """Writes members and a manifest of their sha256 and sizes, whole or not at all; returns the manifest's sha256.

    ``about``: what the manifest says beside. Equal members give equal bytes. Members are read one at a time. Raises
    ExchangeError where ``path`` is there already (without ``force``) or cannot be written.
    """
    if path.exists() and not force:
        raise ExchangeError(f"{path} is there already; --force writes it anew")
    listed: dict[str, dict[str, Any]] = {}
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                for name in sorted(members):
                    content = members[name]()
                    listed[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
                    archive.writestr(_entry(name), content)
                manifest = _json({"schema": SCHEMA, "kind": "export", **about, "members": listed})
                archive.writestr(_entry(MANIFEST), manifest)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise ExchangeError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    return hashlib.sha256(manifest).hexdigest()


def _entry(name: str) -> zipfile.ZipInfo:
    assert ALLOWED.fullmatch(name), name
    entry = zipfile.ZipInfo(name, _MOMENT)
    entry.create_system = 3
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


class Archive:
    """An export that was opened: its names and sizes are sound and agree with its manifest; contents are checked when
    they are read. ``manifest_sha256`` names the whole export, for the manifest holds the hash of every member."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self.path = path
        self._file = file
        self._entries = {entry.filename: entry for entry in _sound_entries(path, file)}
        content = self._read(MANIFEST)
        self.manifest_sha256 = hashlib.sha256(content).hexdigest()
        self.manifest = self._checked(self.parsed(content, MANIFEST))
        self.members: dict[str, Any] = self.manifest["members"]

    def names(self, start: str = "") -> list[str]:
        return sorted(name for name in self.members if name.startswith(start))

    def read(self, name: str) -> bytes:
        """The content of a member, with the hash and size that the manifest gives it. Raises ExchangeError."""
        content = self._read(name)
        if hashlib.sha256(content).hexdigest() != self.members[name]["sha256"]:
            raise ExchangeError(f"{self.path}: {name} does not have the sha256 that the manifest gives it")
        return content

    def json(self, name: str) -> dict[str, Any]:
        return self.parsed(self.read(name), name)

    def parsed(self, content: bytes, name: str) -> dict[str, Any]:
        """A JSON object. Raises ExchangeError for anything else, NaN and infinity included."""
        try:
            value = json.loads(content, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise ExchangeError(f"{self.path}: {name} is not JSON ({error})") from None
        if not isinstance(value, dict):
            raise ExchangeError(f"{self.path}: {name} is not a JSON object")
        return value

    def check_all(self) -> None:
        """Reads every member once, so that no later one is found wrong after the first was used."""
        for name in self.members:
            self.read(name)

    def _read(self, name: str) -> bytes:
        entry = self._entries.get(name)
        if entry is None:
            raise ExchangeError(f"{self.path}: has no {name}: it is no export, or was cut short")
        with _guarded(self.path, name), self._file.open(entry) as stream:
            content = stream.read(entry.file_size + 1)
        if len(content) != entry.file_size:
            raise ExchangeError(f"{self.path}: {name} does not hold the {entry.file_size:,} bytes that it declares")
        return content

    def _checked(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """The manifest, if it has the form of one and lists just what is there."""
        if manifest.get("kind") != "export" or not isinstance(manifest.get("members"), dict):
            raise ExchangeError(f"{self.path}: its {MANIFEST} is not that of an export")
        if manifest.get("schema") != SCHEMA:
            found = manifest.get("schema")
            raise ExchangeError(f"{self.path}: has schema {found!r}; this version reads {SCHEMA}")
        members, there = manifest["members"], self._entries.keys() - {MANIFEST}
        wrong = [f"{name} is not in the manifest" for name in sorted(there - members.keys())]
        wrong += [f"{name} is missing" for name in sorted(members.keys() - there)]
        for name in sorted(there & members.keys()):
            said = members[name]
            if not isinstance(said, dict) or not isinstance(said.get("sha256"), str):
                wrong.append(f"{name} has no sha256 in the manifest")
            elif said.get("bytes") != self._entries[name].file_size:
                wrong.append(f"{name} declares {self._entries[name].file_size} bytes, the manifest {said.get('bytes')}")
        if wrong:
            raise ExchangeError(f"{self.path}: {some(wrong)}")
        return manifest


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Opens an export to read. Raises ExchangeError for what is none, or looks as if it were made to do harm."""
    if not path.is_file():
        raise ExchangeError(f"no file {path}")
    with _guarded(path, "it"):
        file = zipfile.ZipFile(path)
    with file:
        yield Archive(path, file)


@contextmanager
def _guarded(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a reader of hostile bytes may fail in any way, but runs nothing
        raise ExchangeError(f"{path}: {what} cannot be read as a zip file: {' '.join(str(error).split())}") from None


def _sound_entries(path: Path, file: zipfile.ZipFile) -> Iterable[zipfile.ZipInfo]:
    """The entries, once none of them could lead anywhere else or unpack without end."""
    entries = file.infolist()
    total = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_MEMBERS or total > MOST_BYTES:
        raise ExchangeError(
            f"{path}: declares {len(entries):,} members of {total:,} bytes; more than {MOST_MEMBERS:,} or "
            f"{MOST_BYTES:,} are not read"
        )
    wrong: list[str] = []
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if entry.orig_filename != name or not ALLOWED.fullmatch(name):
            wrong.append(f"{entry.orig_filename!r} is not the name of a file of an export")
        elif name in seen:
            wrong.append(f"{name} is there twice")
        elif kind not in (0, stat.S_IFREG):
            wrong.append(f"{name} is a link or no regular file")
        elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
            wrong.append(f"{name} is encrypted or packed in a way that is not read")
        elif entry.file_size > SUSPECT_BYTES and entry.file_size > SUSPECT_RATIO * max(1, entry.compress_size):
            wrong.append(f"{name} would unpack to {entry.file_size:,} bytes from {entry.compress_size:,}")
        seen.add(name)
    if wrong:
        raise ExchangeError(f"{path}: {some(wrong)}")
    return entries


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number that a record may hold")


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()
