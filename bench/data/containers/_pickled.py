"""A reader of pickles that cannot run anything: it knows lists, tuples, bytes, text, numbers and numeric arrays.

No Python unpickler is involved. ``pickletools`` only splits the file into opcodes; the few that such values need are
followed here, every other opcode and every name that a pickle would import is refused. Bytes and text stay where they
are in the file and are held by their place, so what a pickle costs is bounded by its size.
"""

from __future__ import annotations

import math
import mmap
import pickletools
from typing import IO, cast

from bench.data.containers._pickle_values import Array, Dtype, Name, RefusedError, Span, brief, described, told

# A value costs up to 200 bytes of memory. Images spend more bytes an opcode than this, even as arrays of 30 opcodes.
BYTES_PER_OPCODE = 16
OPCODES_ALLOWED = 250_000
LARGEST_INTEGER = 2**63
MOST_DIMENSIONS = 4
BYTE_ORDERS = ("<", ">", "|", "=")
NUMBERS = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})

# As NumPy 1 spells them; NumPy 2 says numpy._core.
_ADMITTED = frozenset(
    {
        "_codecs.encode",
        "numpy.dtype",
        "numpy.ndarray",
        "numpy.core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy.core.numeric._frombuffer",
    }
)
_ADVICE = "; only lists, tuples, bytes, text, whole numbers, truth values and numeric arrays are read"
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_INTEGERS = frozenset({"BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4"})
# How many bytes of length stand before the content.
_BYTES = {"BINSTRING": 4, "SHORT_BINSTRING": 1, "BINBYTES": 4, "SHORT_BINBYTES": 1, "BINBYTES8": 8, "BYTEARRAY8": 8}
_TEXT = {"BINUNICODE": 4, "SHORT_BINUNICODE": 1, "BINUNICODE8": 8}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickle(data: mmap.mmap) -> object:
    """The value of a pickle, bytes and text as ``Span``, arrays as ``Array``. Python 2's byte strings are bytes.

    Raises RefusedError naming what is refused, or where the pickle breaks off.
    """
    machine = _Machine(data)
    data.seek(0)
    allowed = max(OPCODES_ALLOWED, len(data) // BYTES_PER_OPCODE)
    try:
        for count, (opcode, argument, at) in enumerate(pickletools.genops(cast(IO[bytes], data))):
            if count == allowed:
                raise RefusedError(f"spells more than {allowed} values in {len(data)} bytes")
            machine.step(opcode.name, argument, at or 0)
    except RefusedError:
        raise
    except (ValueError, OverflowError) as error:  # genops on what is no pickle, or a part of one
        raise RefusedError(f"not a whole pickle ({brief(error)})") from None
    if rest := len(data) - data.tell():
        raise RefusedError(f"has {rest} bytes after the end of the pickle")
    return machine.result


class _Machine:
    """The stack, marks and memo of a pickle."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.result: object = None

    def step(self, name: str, argument: object, at: int) -> None:
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _INTEGERS and isinstance(argument, int):
            if not -LARGEST_INTEGER <= argument < LARGEST_INTEGER:
                raise RefusedError(f"refused a whole number of more than 64 bits at byte {at}")
            self.stack.append(argument)
        elif name in _BYTES or name in _TEXT:
            start = at + 1 + (_BYTES.get(name) or _TEXT[name])
            # genops has come to the end of the content, as it checked.
            stop = self.data.tell()
            self.stack.append(Span(start, stop, "bytes" if name in _BYTES else "text", stop - start))
        elif name in _TUPLES:
            self.stack.append(tuple(self._take(_TUPLES[name])))
        elif isinstance(argument, int) and name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[argument] = self._top()
        elif isinstance(argument, int) and name in ("BINGET", "LONG_BINGET", "GET"):
            if argument not in self.memo:
                raise RefusedError(f"not a whole pickle (nothing is remembered as {brief(argument)} at byte {at})")
            self.stack.append(self.memo[argument])
        else:
            self._step(name, argument, at)

    def _step(self, name: str, argument: object, at: int) -> None:
        """The opcodes that are rarer than one an image."""
        match name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                self.marks.append(len(self.stack))
            case "MEMOIZE":
                self.memo[len(self.memo)] = self._top()
            case "EMPTY_LIST":
                self.stack.append([])
            case "LIST":
                self.stack.append(self._to_mark())
            case "TUPLE":
                self.stack.append(tuple(self._to_mark()))
            case "APPEND":
                self._extend(self._take(1))
            case "APPENDS":
                self._extend(self._to_mark())
            case "GLOBAL":
                self.stack.append(_admitted(str(argument).replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                module, attribute = self._take(2)
                self.stack.append(_admitted(f"{self._short(module)}.{self._short(attribute)}"))
            case "REDUCE":
                function, arguments = self._take(2)
                self.stack.append(self._called(function, arguments))
            case "BUILD":
                (state,) = self._take(1)
                self._build(self._top(), state)
            case "STOP":
                (self.result,) = self._take(1)
                if self.stack or self.marks:
                    raise RefusedError("not a whole pickle (values are left over)")
            case _:
                with_argument = "" if argument is None else f" {brief(argument)}"
                raise RefusedError(f"refused the opcode {name}{with_argument}{_ADVICE}")

    def _take(self, count: int) -> list[object]:
        floor = self.marks[-1] if self.marks else 0
        if len(self.stack) - floor < count:
            raise RefusedError("not a whole pickle (an opcode finds too few values)")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def _top(self) -> object:
        (value,) = self._take(1)
        self.stack.append(value)
        return value

    def _to_mark(self) -> list[object]:
        if not self.marks:
            raise RefusedError("not a whole pickle (an opcode finds no mark)")
        taken = self._take(len(self.stack) - self.marks[-1])
        self.marks.pop()
        return taken

    def _extend(self, values: list[object]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise RefusedError(f"refused to append to {described(target)}")
        target.extend(values)

    def _short(self, value: object) -> str:
        """A text of the pickle that names something."""
        if not isinstance(value, Span) or value.size > 200:
            raise RefusedError(f"refused a name that is {described(value)}")
        return value.bytes_in(self.data).decode("utf-8", "replace")

    def _called(self, function: object, arguments: object) -> object:
        """What one of the admitted functions makes of its arguments, checked; none of them is called."""
        match (function.text if isinstance(function, Name) else ""), arguments:
            case "_codecs.encode", (Span(kind="text") as text, Span() as coding) if self._short(coding) == "latin1":
                return self._latin1(text)
            case "numpy.dtype", (Span() as code, int(), int()) if self._short(code) in NUMBERS:
                return Dtype(self._short(code))
            case "numpy.core.multiarray._reconstruct", (Name(text="numpy.ndarray"), (0,), Span()):
                return Array()
            case "numpy.core.numeric._frombuffer", (Span() as raw, Dtype() as kind, tuple() as shape, Span() as order):
                return self._filled(Array(), kind, shape, self._short(order) == "F", raw)
            case "numpy.core.multiarray.scalar", (Dtype() as kind, Span() as raw):
                return self._filled(Array(), kind, (), False, raw).numbers_in(self.data).item()
        raise RefusedError(f"refused to call {described(function)} with {told(arguments)}")

    def _build(self, target: object, state: object) -> None:
        match target, state:
            case Dtype(), (int(), Span() as order, None, None, None, *_) if self._short(order) in BYTE_ORDERS:
                target.order = self._short(order)
            case Array(dtype=None), (int(), tuple() as shape, Dtype() as kind, int() as fortran, Span() as raw):
                self._filled(target, kind, shape, bool(fortran), raw)
            case _:
                raise RefusedError(f"refused to set a state on {described(target)}: {told(state)}")

    def _filled(self, array: Array, kind: Dtype, shape: tuple[object, ...], fortran: bool, raw: Span) -> Array:
        """The array with its content, once the shape is known to hold as many bytes as there are."""
        sizes = [size for size in shape if type(size) is int and 0 <= size < 2**31]
        if len(sizes) != len(shape) or len(shape) > MOST_DIMENSIONS:
            raise RefusedError(f"refused an array of shape {told(shape)}")
        needed = math.prod(sizes) * kind.dtype.itemsize
        if needed != raw.size:
            raise RefusedError(
                f"refused an array of shape {tuple(sizes)}, which needs {needed} bytes and has {raw.size}"
            )
        array.dtype, array.shape, array.fortran, array.data = kind.dtype, tuple(sizes), fortran, raw
        return array

    def _latin1(self, text: Span) -> Span:
        try:
            size = len(self.data[text.start : text.stop].decode().encode("latin-1"))
        except UnicodeError:
            raise RefusedError(f"refused text at byte {text.start} that stands for bytes, and is none") from None
        return Span(text.start, text.stop, "latin1", size)


def _admitted(name: str) -> Name:
    known = name.replace("numpy._core.", "numpy.core.", 1)
    if known not in _ADMITTED:
        raise RefusedError(f"refused the name {brief(name)}{_ADVICE}")
    return Name(known)
