"""RecordIO in plain loops, as MXNet's own reader and writer go about it, and image selection as InsightFace's."""

from __future__ import annotations

import struct
from pathlib import Path

MAGIC = bytes.fromhex("0a23d7ce")


def record(payload: bytes) -> bytes:
    """One record as MXNet writes it: the payload is looked through word by word."""
    words = [payload[i : i + 4] for i in range(0, len(payload) // 4 * 4, 4)]
    cuts = [i for i, word in enumerate(words) if word == MAGIC]
    starts, stops = [0, *(4 * c + 4 for c in cuts)], [*(4 * c for c in cuts), len(payload)]
    pieces = [payload[a:b] for a, b in zip(starts, stops, strict=True)]
    out = b""
    for i, piece in enumerate(pieces):
        flag = 0 if len(pieces) == 1 else 1 if i == 0 else 3 if i == len(pieces) - 1 else 2
        out += MAGIC + struct.pack("<I", flag << 29 | len(piece)) + piece
    return out + b"\0" * (-len(out) % 4)


def read_record(data: bytes, at: int) -> bytes:
    out = b""
    while True:
        assert data[at : at + 4] == MAGIC
        (word,) = struct.unpack_from("<I", data, at + 4)
        flag, length = word >> 29, word % 2**29
        out += data[at + 8 : at + 8 + length]
        at += 8 + (length + 3) // 4 * 4
        if flag in (0, 3):
            return out
        out += MAGIC


def header(label: float | list[float], key: int = 0) -> bytes:
    """An image's header: one label in place, or a list of labels behind it."""
    if isinstance(label, list):
        return struct.pack("<IfQQ", len(label), 0.0, key, 0) + struct.pack(f"<{len(label)}f", *label)
    return struct.pack("<IfQQ", 0, label, key, 0)


def unpack(payload: bytes) -> tuple[list[float], int, bytes]:
    flag, label, key, _ = struct.unpack("<IfQQ", payload[:24])
    if flag == 0:
        return [label], key, payload[24:]
    return list(struct.unpack(f"<{flag}f", payload[24 : 24 + 4 * flag])), key, payload[24 + 4 * flag :]


def insightface_images(rec: Path) -> list[tuple[int, float, bytes]]:
    """(key, label, image) of what InsightFace trains on, in its order."""
    data = rec.read_bytes()
    lines = rec.with_suffix(".idx").read_text().split("\n")
    offsets = {int(key): int(at) for key, at in (line.split("\t") for line in lines if line)}
    labels, _, _ = unpack(read_record(data, offsets[0])) if 0 in offsets else ([], 0, b"")
    keys = list(range(1, int(labels[0]))) if len(labels) > 1 else list(offsets)
    found = []
    for key in keys:
        labels, _, image = unpack(read_record(data, offsets[key]))
        found.append((key, labels[0], image))
    return found


def write(folder: Path, payloads: dict[int, bytes], name: str = "train") -> Path:
    """Writes records, in this order, and their index; returns the .rec."""
    rec, index, out = folder / f"{name}.rec", [], b""
    for key, payload in payloads.items():
        index.append(f"{key}\t{len(out)}\n")
        out += record(payload)
    folder.mkdir(parents=True, exist_ok=True)
    rec.write_bytes(out)
    rec.with_suffix(".idx").write_text("".join(index))
    return rec
