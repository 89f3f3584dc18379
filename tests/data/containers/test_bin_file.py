"""Verification files against Python's own pickles, and against everything that may lie in one instead."""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.containers._pickle_values import Array, Span
from bench.data.containers._pickled import read_pickle
from bench.data.containers.bin import BinFile, write_bin
from bench.errors import DataError

IMAGES = [bytes([i, 200 + i]) * 20 for i in range(4)]
SAME = [True, False]
PROTOCOLS = range(1, pickle.HIGHEST_PROTOCOL + 1)


def saved(folder: Path, content: bytes, name: str = "lfw.bin") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def contents(file: Path, channels: str | None = None) -> tuple[list[object], list[bool]]:
    container = BinFile(file, channels)
    return [container.read(name) for name in container.names], container.same.tolist()


def refusal(file: Path) -> str:
    with pytest.raises(DataError) as raised:
        contents(file)
    assert str(raised.value).startswith(f"{file}: ") or str(raised.value).startswith(f"{file} ")
    return str(raised.value)


class TestReading:
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize(
        "stored",
        [
            bytes,
            lambda image: np.frombuffer(image, np.uint8),
            lambda image: np.frombuffer(image, np.uint8).copy(),
            lambda image: np.frombuffer(image, np.uint8).copy()[:, None],
            lambda image: np.frombuffer(image, ">u1").copy()[None, :],
        ],
        ids=["bytes", "read-only array", "array", "OpenCV 4.4 and before", "row"],
    )
    def test_encoded_images_in_every_spelling(
        self, tmp_path: Path, protocol: int, stored: Callable[[bytes], object]
    ) -> None:
        file = saved(tmp_path, pickle.dumps(([stored(image) for image in IMAGES], SAME), protocol))
        assert contents(file) == (IMAGES, SAME)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize(
        "same",
        [(1, 0), (True, False), [np.True_, np.False_], np.array(SAME), np.array([1, 0]), np.array([1, 0], ">u2")],
        ids=repr,
    )
    def test_truth_values_in_every_spelling(self, tmp_path: Path, protocol: int, same: object) -> None:
        assert contents(saved(tmp_path, pickle.dumps([tuple(IMAGES), same], protocol))) == (IMAGES, SAME)

    def test_byte_strings_of_python_2(self, tmp_path: Path) -> None:
        strings = b"".join(b"U" + bytes([len(image)]) + image for image in IMAGES[:3])
        strings += b"T" + struct.pack("<i", len(IMAGES[3])) + IMAGES[3] + b"q\x05"
        content = b"\x80\x02]q\x01(" + strings + b"e]q\x02(\x88\x89e\x86q\x03."
        assert pickle.loads(content, encoding="bytes") == (IMAGES, SAME)
        assert contents(saved(tmp_path, content)) == (IMAGES, SAME)

    def test_an_array_of_python_2(self, tmp_path: Path) -> None:
        image = (
            b"cnumpy.core.multiarray\n_reconstruct\nq\x01(cnumpy\nndarray\nq\x02K\x00\x85U\x01btRq\x03(K\x01K\x03\x85"
        )
        image += b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tRq\x04(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        image += b"U\x03jpgtb"
        content = b"\x80\x02](" + image + b"h\x03e](\x88e\x86."
        assert contents(saved(tmp_path, content)) == ([b"jpg", b"jpg"], [True])

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_raw_pixels_are_rgb_however_they_are_stored(self, tmp_path: Path, protocol: int, order: str) -> None:
        draws = np.random.default_rng(0)
        colour, grey = draws.integers(0, 256, (5, 4, 3), np.uint8), draws.integers(0, 256, (5, 4), np.uint8)
        images = [np.asarray(colour, order=order), np.asarray(grey, order=order)]
        file = saved(tmp_path, pickle.dumps((images, [False]), protocol))
        rgb, _ = contents(file, "rgb")
        bgr, _ = contents(file, "bgr")
        assert np.array_equal(rgb[0], colour)
        assert np.array_equal(bgr[0], colour[:, :, ::-1])
        assert all(np.array_equal(found[1], np.stack([grey] * 3, axis=2)) for found in (rgb, bgr))
        assert all(array.dtype == np.uint8 for array in (*rgb, *bgr))
        assert "image 000000 is raw pixels; the option channels must say rgb or bgr" in refusal(file)

    values = st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.binary(min_size=1, max_size=300),
            st.text(max_size=300),
        ),
        lambda inner: st.one_of(st.lists(inner), st.lists(inner).map(tuple)),
        max_leaves=20,
    )

    @settings(max_examples=100, deadline=None)
    @given(values, st.sampled_from(PROTOCOLS))
    def test_the_reader_agrees_with_pythons_own(self, value: object, protocol: int) -> None:
        content = pickle.dumps(value, protocol)
        data = mmap.mmap(-1, len(content))
        data[:] = content

        def plain(found: object) -> object:
            if isinstance(found, Span):
                text = found.kind == "text"
                return data[found.start : found.stop].decode("utf-8", "surrogatepass") if text else found.bytes_in(data)
            return type(found)(map(plain, found)) if isinstance(found, list | tuple) else found

        assert plain(read_pickle(data)) == value

    def test_a_container_pickles_small_and_follows_a_changed_file(self, tmp_path: Path) -> None:
        file = saved(tmp_path, pickle.dumps((IMAGES, SAME)))
        container = BinFile(file)
        assert container.read("000003") == IMAGES[3]
        assert len(pickle.dumps(container)) < 500
        assert pickle.loads(pickle.dumps(container)) == container
        saved(tmp_path, pickle.dumps(([b"a", b"b"], [True])))
        assert container.read("000001") == b"b"
        assert container.names == ("000000", "000001")

    @pytest.mark.parametrize("name", ["4", "-1", "one", "", "²", "9" * 40])
    def test_a_name_that_is_no_image_is_named(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(DataError, match="there is no image"):
            BinFile(saved(tmp_path, pickle.dumps((IMAGES, SAME)))).read(name)


class TestWriting:
    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(st.binary(min_size=1), st.binary(min_size=1), st.booleans()), min_size=1))
    def test_python_and_we_read_what_is_written(self, pairs: list[tuple[bytes, bytes, bool]]) -> None:
        images = [image for a, b, _ in pairs for image in (a, b)]
        same = [genuine for *_, genuine in pairs]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "own.bin"
            write_bin(file, iter(images), same)
            assert pickle.loads(file.read_bytes()) == (images, same)
            assert contents(file) == (images, same)

    @pytest.mark.parametrize(
        ("images", "same", "problem"),
        [
            (IMAGES[:3], [True], "3 images for 1 pairs"),
            (IMAGES, [True], "4 images for 1 pairs"),
            ([], [], "0 images for 0 pairs"),
            ([b"a", b""], [True], "image 1 has 0 bytes"),
        ],
    )
    def test_what_cannot_be_written_leaves_nothing(
        self, tmp_path: Path, images: list[bytes], same: list[bool], problem: str
    ) -> None:
        with pytest.raises(DataError, match=problem):
            write_bin(tmp_path / "own.bin", images, same)
        assert list(tmp_path.iterdir()) == []

    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        file = saved(tmp_path, b"mine")
        with pytest.raises(DataError, match="exists already"):
            write_bin(file, IMAGES, SAME)
        assert file.read_bytes() == b"mine"


class Call:
    """Pickles as a call of a function, which a real unpickler would make."""

    def __init__(self, function: object, *arguments: object, state: object = None) -> None:
        self.function, self.arguments, self.state = function, arguments, state

    def __reduce__(self) -> tuple[object, ...]:
        return (self.function, self.arguments) if self.state is None else (self.function, self.arguments, self.state)


class Stateful:
    def __init__(self) -> None:
        self.command = "touch ran"

    def __setstate__(self, state: dict[str, str]) -> None:
        os.system(state["command"])


class ById(pickle.Pickler):
    def persistent_id(self, value: object) -> str | None:
        return "touch ran" if value == b"id" else None


def by_id(protocol: int) -> bytes:
    out = io.BytesIO()
    ById(out, protocol).dump(([b"id", b"id"], [True]))
    return out.getvalue()


ARRAY = np.frombuffer(b"jpg", np.uint8).copy()
OBJECTS = np.array([Call(os.system, "touch ran")], dtype=object)
FIELDS = np.zeros(3, [("a", "u1")])
TOUCH = b"X\x09\0\0\0touch ran"


class TestHostilePickles:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    @pytest.mark.parametrize(
        ("value", "named"),
        [
            (Call(os.system, "touch ran"), f"{os.system.__module__}.system"),
            (Call(eval, "__import__('os').system('touch ran')"), ".eval"),
            (Call(exec, "open('ran', 'w')"), ".exec"),
            (Call(Call(getattr, os, "system"), "touch ran"), ".getattr"),
            (Call(open, "ran", "w"), "io.open"),
            (Call(subprocess.check_call, ["touch", "ran"]), ".check_call"),
            (Call(np.load, "ran"), "numpy.load"),
            (Call(bytearray, 2**40), ".bytearray"),
            (Stateful(), "."),
            (np.ndarray, None),
            (OBJECTS, None),
            (FIELDS, None),
            (1.5, None),
            ({"a": 1}, None),
            ({1}, None),
            (np.datetime64(1, "s"), None),
            (np.ma.masked_array([1]), "numpy.ma"),
        ],
        ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
    )
    def test_nothing_runs_and_the_refused_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object, named: str | None, protocol: int
    ) -> None:
        monkeypatch.chdir(tmp_path)
        try:
            content = pickle.dumps(([b"a", value], [True]), protocol)
        except (TypeError, pickle.PicklingError):
            content = pickle.dumps(([b"a", Call(os.system, "touch ran")], [True]), protocol)
            named = "system"
        text = refusal(saved(tmp_path, content))
        assert named is None or protocol == 0 or named in text
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize(
        ("content", "named"),
        [
            (b"\x80\x02cos\nsystem\n" + TOUCH + b"\x85R.", "the name os.system"),
            (b"\x80\x04\x8c\x02os\x8c\x06system\x93" + TOUCH + b"\x85R.", "the name os.system"),
            (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93.", "opcode POP"),
            (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "the name builtins.eval"),
            (b"\x80\x04\x8c\x05numpy\x8c\x0bdtype.__new\x93.", "the name numpy.dtype.__new"),
            (b"\x80\x04\x8c\x0bnumpy.dtype\x8c\x09__class__\x93.", "the name numpy.dtype.__class__"),
            (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cos\nsystem\nK\x00\x85C\x01btR.", "the name os.system"),
            (b"(X\x09\0\0\0touch ranios\nsystem\n.", "opcode INST os system"),
            (b"(cnumpy\nndarray\n" + TOUCH + b"o.", "opcode OBJ"),
            (b"\x80\x02cnumpy\nndarray\n)\x81.", "opcode NEWOBJ"),
            (b"\x80\x04cnumpy\nndarray\n)]\x92.", "opcode NEWOBJ_EX"),
            (b"\x80\x02\x82\x01.", "opcode EXT1 1"),
            (b"\x80\x02\x83\x01\x02.", "opcode EXT2"),
            (b"\x80\x02\x84\x01\x02\x03\x04.", "opcode EXT4"),
            (b"Ptouch ran\n.", "opcode PERSID touch ran"),
            (by_id(2), "opcode BINPERSID"),
            (b"\x80\x05\x97.", "opcode NEXT_BUFFER"),
            (b"\x80\x02](K\x01e(K\x01tb.", "set a state on a list of 1"),
            (b"\x80\x02cnumpy\nndarray\nNb.", "set a state on numpy.ndarray: None"),
            (b"\x80\x02cnumpy\nndarray\nK\x05\x85R.", "call numpy.ndarray with (5)"),
            (b"\x80\x02cnumpy\ndtype\nX\x02\0\0\0O8K\x00K\x01\x87R.", "call numpy.dtype with"),
            (b"\x80\x02cnumpy\ndtype\nX\x02\0\0\0V8K\x00K\x01\x87R.", "call numpy.dtype with"),
            (b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x03\0\0\0hex\x86R.", "call _codecs.encode with"),
            (b"\x80\x02c_codecs\nencode\nX\x02\0\0\0\xc4\x80X\x06\0\0\0latin1\x86R.", "stands for bytes, and is none"),
            (b"\x80\x02c_codecs\nencode\n\x8c\x01a\x86R.", "finds too few"),
            (b"\x80\x02" + b"c" + b"x" * 500 + b"\ny\n.", "xxx…"),
        ],
    )
    def test_every_way_to_reach_code_is_refused_by_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, named: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert named in refusal(saved(tmp_path, content))
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize(
        ("shape", "fields", "problem"),
        [
            ((3, 10**6), None, "shape (3, 1000000), which needs 3000000 bytes and has 3"),
            ((2**31, 2**31), None, "shape (2147483648, 2147483648)"),
            ((0, 5), None, "shape (0, 5), which needs 0 bytes and has 3"),
            ((-3,), None, "refused an array of shape (-3)"),
            ((1, 1, 1, 1, 3), None, "refused an array of shape (1, 1, 1, 1, 3)"),
            ((True, 3), None, "refused an array of shape (True, 3)"),
            (3, None, "set a state on an array"),
            ((3,), ("a",), "set a state on a dtype"),
        ],
    )
    def test_an_array_that_lies_about_itself_is_refused(
        self, tmp_path: Path, shape: object, fields: object, problem: str
    ) -> None:
        kind = Call(np.dtype, "u1", False, True, state=(3, "|", None, fields, None, -1, -1, 0))
        array = Call(np._core.multiarray._reconstruct, np.ndarray, (0,), b"b", state=(1, shape, kind, False, b"jpg"))
        assert problem in refusal(saved(tmp_path, pickle.dumps(([array, array], [True]))))

    def test_an_array_is_built_once(self, tmp_path: Path) -> None:
        content = pickle.dumps(([ARRAY, ARRAY], [True]), 4)
        state = content[content.rindex(b"(K\x01K\x03") : content.rindex(b"b")]
        assert "set a state on an array of shape (3,)" in refusal(
            saved(tmp_path, content.replace(state + b"b", state + b"b" + state + b"b"))
        )


class TestBrokenFiles:
    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            ((IMAGES, SAME, SAME), "holds a tuple of 3, expected a pickle of two lists"),
            (IMAGES[0], "holds bytes of length 40, expected"),
            (None, "holds None, expected"),
            ((IMAGES[0], SAME), "holds bytes of length 40 in place of images"),
            ((IMAGES, 1), "holds 1 in place of truth values"),
            ((IMAGES, np.zeros((2, 1), bool)), "holds an array of shape (2, 1) in place of truth values"),
            ((IMAGES[:3], SAME), "holds 3 images and 2 truth values; a pair has two images"),
            ((IMAGES, [True]), "holds 4 images and 1 truth values"),
            (([], []), "holds 0 images"),
            ((["text", *IMAGES[1:]], SAME), "image 0 is text of length 4"),
            (([*IMAGES[:3], b""], SAME), "image 3 is bytes of length 0"),
            (([*IMAGES[:3], 7], SAME), "image 3 is 7"),
            (([*IMAGES[:3], [IMAGES]], SAME), "image 3 is a list of 1"),
            (([*IMAGES[:3], np.zeros((2, 2, 4), np.uint8)], SAME), "image 3 is an array of shape (2, 2, 4)"),
            (([*IMAGES[:3], np.zeros(3)], SAME), "image 3 is an array of shape (3,)"),
            (([*IMAGES[:3], np.zeros((0, 3), np.uint8)], SAME), "image 3 is an array of shape (0, 3)"),
            ((IMAGES, [True, 2]), "pair 1 has the truth value 2"),
            ((IMAGES, [True, None]), "pair 1 has the truth value None"),
            ((IMAGES, [True, "False"]), "pair 1 has the truth value text of length 5"),
            ((IMAGES, np.array([1.0, 0.5])), "pair 0 has the truth value 1.0; pair 1 has the truth value 0.5"),
        ],
    )
    def test_another_structure_is_told_with_what_was_expected(
        self, tmp_path: Path, value: object, problem: str
    ) -> None:
        assert problem in refusal(saved(tmp_path, pickle.dumps(value)))

    def test_problems_are_listed_to_five_and_counted(self, tmp_path: Path) -> None:
        text = refusal(saved(tmp_path, pickle.dumps(([0] * 14, [True] * 7))))
        assert "image 4 is 0" in text
        assert "image 5" not in text
        assert "(14 in all)" in text

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"", "is empty"),
            (b"\xff\xd8\xff\xe0 a JPEG file", "not a whole pickle"),
            (b"hello", "not a whole pickle"),
            (b"PK\x03\x04", "not a whole pickle"),
            (pickle.dumps((IMAGES, SAME)) + b"more", "4 bytes after the end"),
            (pickle.dumps((IMAGES, SAME))[:-1], "not a whole pickle"),
            (b".", "finds too few values"),
            (b"e.", "finds no mark"),
            (b"](.", "finds too few values"),
            (b"]].", "values are left over"),
            (b"Na.", "finds too few values"),
            (b"NNa.", "refused to append to None"),
            (b"h\x07.", "nothing is remembered as 7"),
            (b"\x80\x63N.", None),
            (b"\x8a\x09" + b"\xff" * 8 + b"\x7f.", "more than 64 bits"),
            (b"L" + b"9" * 5000 + b"L\n.", "not a whole pickle"),
        ],
    )
    def test_what_is_no_whole_pickle_is_refused(self, tmp_path: Path, content: bytes, problem: str | None) -> None:
        assert (problem or "holds None") in refusal(saved(tmp_path, content))

    def test_every_truncation_is_refused(self, tmp_path: Path) -> None:
        content = pickle.dumps(([ARRAY, *IMAGES[1:]], SAME))
        for stop in range(len(content)):
            refusal(saved(tmp_path, content[:stop], f"{stop}.bin"))

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"there is no file .*lfw.bin"):
            contents(tmp_path / "lfw.bin")


LIMITED = """
import resource, sys
from pathlib import Path
from bench.data.containers.bin import BinFile
from bench.errors import DataError
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
for file in sys.argv[2:]:
    resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]), resource.RLIM_INFINITY))
    try:
        BinFile(Path(file)).names
    except DataError as error:
        print(error)
    else:
        print("read")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="../shared limits of memory are Linux's")
def test_lies_about_lengths_cost_no_memory(tmp_path: Path) -> None:
    lies = {
        "BINBYTES8": b"\x80\x04\x8e" + struct.pack("<Q", 2**32) + b"x.",
        "BINBYTES8 beyond 63 bits": b"\x80\x04\x8e" + struct.pack("<Q", 2**64 - 1) + b"x.",
        "BYTEARRAY8": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
        "BINUNICODE8": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"x.",
        "BINBYTES": b"\x80\x03B" + struct.pack("<I", 2**32 - 1) + b"x.",
        "BINSTRING": b"\x80\x02T" + struct.pack("<i", -1) + b"x.",
        "LONG4": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",
        "FRAME": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"N.",
        "LONG_BINPUT": b"\x80\x02]r" + struct.pack("<I", 2**32 - 1) + b".",
        "PUT": b"]p" + b"9" * 4000 + b"\n.",
        "marks": b"(" * 2_000_000 + b".",
        "lists": b"]" * 2_000_000 + b".",
        "nested": b"]" * 200_000 + b"a" * 199_999 + b".",
        "tuples": b")" + b"\x85" * 200_000 + b".",
        "doubling": b")q\x00" + b"h\x00h\x00\x86q\x00" * 60_000 + b".",
        "shape": pickle.dumps(([ARRAY, ARRAY], [True]), 4).replace(b"K\x01K\x03\x85", b"K\x01J\xff\xff\xff\x7f\x85"),
    }
    files = [saved(tmp_path, content, f"{name}.bin") for name, content in lies.items()]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(128 * 2**20), *map(str, files)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(lies)
    assert "read" not in done.stdout.splitlines()


class TestFuzz:
    SEEDS = tuple(
        pickle.dumps((images, same), protocol)
        for protocol in (2, 4, 5)
        for images, same in [(IMAGES, SAME), ([ARRAY, ARRAY[:, None]], [np.True_]), ([ARRAY, b"a"], np.array([1]))]
    )
    OPCODES = tuple(code.code.encode("latin-1") for code in pickletools.opcodes)

    @settings(max_examples=200, deadline=None)
    @given(
        st.sampled_from(SEEDS),
        st.lists(
            st.tuples(
                st.integers(0, 400), st.integers(0, 6), st.one_of(st.binary(max_size=4), st.sampled_from(OPCODES))
            ),
            max_size=5,
        ),
    )
    def test_mutated_files_are_read_or_refused(self, content: bytes, edits: list[tuple[int, int, bytes]]) -> None:
        changed = bytearray(content)
        for at, length, new in edits:
            changed[at : at + length] = new
        self.read_or_refused(bytes(changed))

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.one_of(st.sampled_from(OPCODES), st.binary(max_size=3)), max_size=40).map(b"".join))
    def test_random_opcodes_are_read_or_refused(self, content: bytes) -> None:
        self.read_or_refused(content)

    def read_or_refused(self, content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(DataError):
            contents(saved(Path(folder), content), "rgb")


def test_an_array_that_is_put_together_in_part_holds_nothing() -> None:
    data = mmap.mmap(-1, 8)
    with pytest.raises(ValueError, match="without content"):
        Array().numbers_in(data)
