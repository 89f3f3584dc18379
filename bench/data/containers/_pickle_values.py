"""What a pickle of images may hold, and how it is told in messages."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt


class RefusedError(ValueError):
    """What a pickle holds that is refused, by name."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes or text of a pickle, by place: ``start`` to ``stop`` in the file.

    ``latin1``: bytes that are spelled as text, one character a byte, as Python 3 does in old protocols; ``size`` counts
    the bytes they stand for.
    """

    start: int
    stop: int
    kind: Literal["bytes", "text", "latin1"]
    size: int

    def bytes_in(self, data: mmap.mmap) -> bytes:
        found = data[self.start : self.stop]
        return found.decode().encode("latin-1") if self.kind == "latin1" else found


@dataclass(slots=True)
class Array:
    """A numeric numpy array whose bytes are in the file; without ``dtype`` while a pickle still puts it together."""

    dtype: np.dtype[np.generic] | None = None
    shape: tuple[int, ...] = ()
    fortran: bool = False
    data: Span | None = None

    def numbers_in(self, data: mmap.mmap) -> npt.NDArray[np.generic]:
        if self.dtype is None or self.data is None:
            raise RefusedError("holds an array without content")
        order: Literal["F", "C"] = "F" if self.fortran else "C"
        return np.frombuffer(self.data.bytes_in(data), self.dtype).reshape(self.shape, order=order)


@dataclass(slots=True)
class Dtype:
    """A numpy dtype; its byte order is told in a second step."""

    code: str
    order: str = "="

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Name:
    """A name that a pickle would import; only a few are admitted, and none is imported."""

    text: str


def described(value: object) -> str:
    """What a value is, in words."""
    match value:
        case Name():
            return brief(value.text)
        case Dtype():
            return "a dtype"
        case Array():
            return f"an array of shape {value.shape}"
        case Span():
            return f"{'text' if value.kind == 'text' else 'bytes'} of length {value.size}"
        case list() | tuple():
            return f"a {type(value).__name__} of {len(value)}"
    return repr(value)


def told(value: object) -> str:
    """A value for a message, one level deep."""
    if isinstance(value, tuple):
        return f"({', '.join(described(v) for v in value[:8])}{', …' if len(value) > 8 else ''})"
    return described(value)


def brief(value: object) -> str:
    text = " ".join(ascii(value)[1:-1].split() if isinstance(value, str) else str(value).split())
    return text if len(text) <= 100 else f"{text[:100]}…"
