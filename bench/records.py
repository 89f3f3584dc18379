"""Files of records: written whole or not at all, checked when read, and set aside where they are broken."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.errors import StoreError
from bench.processes import lives, this_machine

SCHEMA = 1
_TEMPORARY = re.compile(r"^\..+\.(?P<machine>[0-9a-f]{16})-(?P<pid>\d{1,9})\.\w{8}$")


class BrokenError(StoreError):
    """A record cannot be read; whoever makes it again mends it."""


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text. NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def digest(value: Any) -> str:
    """The first 16 hex digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Writes a file whole or not at all, making its folders. Raises StoreError in one line.

    ``durable=False``: without waiting for the disk, for what means nothing after the power was gone.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{this_machine()}-{os.getpid()}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from None


def is_leftover(path: Path, *, alone: bool = False) -> bool:
    """Whether this is the temporary file of a process that ended while it wrote.

    A process of another machine cannot be seen to have ended; where this one is ``alone``, as the holder of a run's
    lease is in its folder, files of other machines count too.
    """
    match = _TEMPORARY.search(path.name)
    if match is None:
        return False
    return not lives(int(match["pid"])) if match["machine"] == this_machine() else alone


def remove_leftovers(folder: Path, *, alone: bool = False) -> None:
    """Removes what ``is_leftover``, here and below."""
    for path in folder.rglob(".*"):
        if is_leftover(path, alone=alone):
            path.unlink(missing_ok=True)


def write_json(path: Path, value: Mapping[str, Any], *, durable: bool = True) -> None:
    content = json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n"
    write_bytes(path, content.encode(), durable=durable)


def append_json(path: Path, value: Mapping[str, Any]) -> None:
    """Adds one line of JSON to a file; a line that a crash left half-written is ended first. Raises StoreError."""
    line = (json.dumps(value, sort_keys=True, allow_nan=False) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else b"\n" + line
            file.write(line)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from None


def without(key: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if name != key}


def read_json(path: Path, most: int = SCHEMA) -> dict[str, Any] | None:
    """A record without a checksum, or None. Raises StoreError for one that is broken or newer."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BrokenError(f"{path}: cannot be read ({error}); `bench run SUITE` writes it anew") from None
    if not isinstance(value, dict):
        raise BrokenError(f"{path}: cannot be read (not a record); `bench run SUITE` writes it anew")
    check_schema(path, value, most)
    return value


def read_checked(path: Path) -> dict[str, Any] | None:
    """A checksummed record, or None; a broken one is renamed to ``*.broken`` so that it is made again.

    Raises StoreError for one that a newer version wrote.
    """
    try:
        value = json.loads(path.read_bytes())
        body = without("checksum", value)
        if value["checksum"] == digest(body):
            check_schema(path, body)
            return body
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, AttributeError, TypeError):
        pass
    set_aside(path)
    return None


def check_schema(path: Path, record: Mapping[str, Any], most: int = SCHEMA) -> None:
    found = record.get("schema", most)
    if not isinstance(found, int) or found > most:
        raise StoreError(
            f"{path}: has schema {found}, this version reads up to {most}; use the newer one that wrote it"
        )


def set_aside(path: Path) -> None:
    with suppress(OSError):  # where nothing can be written, the broken one stays, and is passed over
        path.replace(path.with_name(path.name + ".broken"))
