"""Record files against a reader and a writer in plain loops, and against everything that can be wrong with them."""

from __future__ import annotations

import contextlib
import functools
import pickle
import struct
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import recordio_twin as twin
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.containers.record import EXACT, RecordFile
from bench.data.containers.record_writer import write_records
from bench.errors import DataError

MAGIC = twin.MAGIC
# Pieces that put the magic word at any place, aligned or not.
contents = st.lists(st.sampled_from([MAGIC, b"x", b"yy", b"image", MAGIC[:3]]), min_size=1, max_size=8).map(b"".join)


def images_of(rec: Path) -> list[tuple[int, int, bytes]]:
    container = RecordFile(rec)
    keys, labels = container.images()
    return [(k, label, container.read(f"{k:05d}")) for k, label in zip(keys.tolist(), labels.tolist(), strict=True)]


def refusal(rec: Path) -> str:
    with pytest.raises(DataError) as raised:
        images_of(rec)
    return str(raised.value)


@functools.cache
def four_images() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        images = [(b"one", 0), (b"two!", 0), (b"three", 1), (MAGIC + b"four" + MAGIC, 1)]
        write_records(Path(folder) / "train.rec", images)
        return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def four(folder: Path) -> Path:
    """Four images of labels 0, 0, 1, 1 in InsightFace's layout."""
    for name, content in four_images().items():
        (folder / name).write_bytes(content)
    return folder / "train.rec"


class TestReading:
    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(contents, st.integers(0, 3)), min_size=1, max_size=6), st.booleans(), st.booleans())
    def test_what_mxnet_wrote_is_read(self, images: list[tuple[bytes, int]], listed: bool, indexed: bool) -> None:
        payloads = {
            k: twin.header([float(label), 1.0] if listed else float(label), key=k) + image
            for k, (image, label) in enumerate(images)
        }
        with tempfile.TemporaryDirectory() as folder:
            rec = twin.write(Path(folder), payloads)
            if not indexed:
                rec.with_suffix(".idx").unlink()
            assert images_of(rec) == [(k, label, image) for k, (image, label) in enumerate(images)]

    def test_images_of_insightface_are_those_before_the_identity_records(self, tmp_path: Path) -> None:
        payloads = {k: twin.header([float(k // 3), 1.0], key=k) + b"image %d" % k for k in range(1, 6)}
        meta = {0: twin.header([6.0, 8.0]), 6: twin.header([1.0, 3.0], key=6), 7: twin.header([3.0, 6.0], key=7)}
        rec = twin.write(tmp_path, payloads | meta)
        assert images_of(rec) == [(k, k // 3, b"image %d" % k) for k in range(1, 6)]
        assert images_of(rec) == twin.insightface_images(rec)

    def test_a_record_0_that_holds_an_image_is_one(self, tmp_path: Path) -> None:
        rec = twin.write(tmp_path, {0: twin.header([3.0, 5.0]) + b"first", 7: twin.header(1.0) + b"second"})
        assert images_of(rec) == [(0, 3, b"first"), (7, 1, b"second")]

    def test_a_header_that_is_split_by_the_magic_word_is_put_together(self, tmp_path: Path) -> None:
        key = int.from_bytes(MAGIC + b"\0\0\0\0", "little")
        rec = twin.write(tmp_path, {1: twin.header(5.0, key=key) + b"image", 2: twin.header(6.0) + b"next"})
        assert images_of(rec) == [(1, 5, b"image"), (2, 6, b"next")]

    def test_an_index_in_another_order_gives_the_same_images(self, tmp_path: Path) -> None:
        rec = four(tmp_path)
        expected = images_of(rec)
        index = rec.with_suffix(".idx")
        index.write_bytes(b"\r\n".join(sorted(index.read_bytes().split(b"\n")[:-1], reverse=True)))
        assert images_of(rec) == expected

    def test_what_the_index_leaves_out_is_not_read(self, tmp_path: Path) -> None:
        rec = twin.write(tmp_path, {k: twin.header(0.0) + b"image %d" % k for k in range(3)})
        index = rec.with_suffix(".idx")
        index.write_text("".join(index.read_text().splitlines(keepends=True)[::2]))
        assert images_of(rec) == [(0, 0, b"image 0"), (2, 0, b"image 2")]

    def test_a_promise_beyond_the_exact_float32_is_taken_as_rounded(self) -> None:
        # Glint360K has more than 2^24 images; its record 0 holds the next number that float32 has.
        count = EXACT + 2
        container, keys = RecordFile(Path("train.rec")), np.arange(1, count + 1)
        container._check_promise(np.float32(count + 1), keys)
        with pytest.raises(DataError, match=f"promises images 1 to {EXACT + 7}, found {count}"):
            container._check_promise(np.float32(EXACT + 8), keys)

    def test_a_container_pickles_small_and_follows_a_changed_file(self, tmp_path: Path) -> None:
        rec = four(tmp_path)
        container = RecordFile(rec)
        assert container.read("1") == b"one"
        assert len(pickle.dumps(container)) < 500
        assert pickle.loads(pickle.dumps(container)) == container
        for file in tmp_path.iterdir():
            file.unlink()
        write_records(rec, [(b"another image", 0)])
        assert container.read("1") == b"another image"

    @pytest.mark.parametrize("name", ["9", "-1", "one", "", "1.0", "²", "9" * 40, "../1"])
    def test_a_name_that_is_no_key_is_named(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(DataError, match="there is no record"):
            RecordFile(four(tmp_path)).read(name)

    @pytest.mark.parametrize("key", ["0", "5"])
    def test_a_record_without_an_image_is_not_read_as_one(self, tmp_path: Path, key: str) -> None:
        with pytest.raises(DataError, match=f"record {key} holds no image"):
            RecordFile(four(tmp_path)).read(key)


class TestWriting:
    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.lists(contents, min_size=1, max_size=4), min_size=1, max_size=4), st.permutations(range(4)))
    def test_insightface_reads_what_is_written(self, people: list[list[bytes]], labels: list[int]) -> None:
        records = [(image, label) for images, label in zip(people, labels, strict=False) for image in images]
        expected = [(k, label, image) for k, (image, label) in enumerate(records, start=1)]
        with tempfile.TemporaryDirectory() as folder:
            rec = Path(folder) / "train.rec"
            assert write_records(rec, iter(records), size=(112, 96)) == (len(records), len(people))
            assert twin.insightface_images(rec) == expected
            assert images_of(rec) == expected
            data = rec.read_bytes()
            offsets = [line.split("\t") for line in rec.with_suffix(".idx").read_text().splitlines()]
            whole = b"".join(twin.record(twin.read_record(data, int(at))) for _, at in offsets)
            assert whole == data
            assert rec.with_name("property").read_text() == f"{max(labels[: len(people)]) + 1},112,96"

    def test_identity_records_say_whose_images_are_where(self, tmp_path: Path) -> None:
        rec = four(tmp_path)
        offsets = dict(line.split("\t") for line in rec.with_suffix(".idx").read_text().splitlines())
        told = {k: twin.unpack(twin.read_record(rec.read_bytes(), int(offsets[k])))[:2] for k in ("0", "5", "6")}
        assert told == {"0": ([5.0, 7.0], 0), "5": ([1.0, 3.0], 5), "6": ([3.0, 5.0], 6)}

    @pytest.mark.parametrize(
        ("records", "problem"),
        [
            ([(b"a", 0), (b"b", 1), (b"c", 0)], "image 3: label 0 comes again after 1"),
            ([(b"a", -1)], "image 1: label -1"),
            ([(b"a", EXACT)], "not from 0 to 16777215"),
            ([(b"a", 0), (b"", 0)], "image 2 is empty"),
            ([], "no images"),
        ],
    )
    def test_what_cannot_be_written_leaves_nothing(self, tmp_path: Path, records: object, problem: str) -> None:
        with pytest.raises(DataError, match=problem):
            write_records(tmp_path / "train.rec", records, size=(1, 1))  # type: ignore[arg-type]
        assert list(tmp_path.iterdir()) == []

    def test_an_interruption_leaves_nothing(self, tmp_path: Path) -> None:
        def broken():  # type: ignore[no-untyped-def]
            yield b"a", 0
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_records(tmp_path / "train.rec", broken())
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["train.rec", "train.idx", "property"])
    def test_nothing_is_overwritten(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("mine")
        with pytest.raises(DataError, match=f"{name} exists already"):
            write_records(tmp_path / "train.rec", [(b"a", 0)], size=(1, 1))
        assert [file.read_text() for file in tmp_path.iterdir()] == ["mine"]

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="cannot write"):
            write_records(tmp_path / "no" / "train.rec", [(b"a", 0)])

    def test_records_that_float32_cannot_number_are_refused(self, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
        monkeypatch.setattr("bench.data.containers.record_writer.EXACT", 4)
        write_records(tmp_path / "a.rec", [(b"a", 0), (b"b", 0)])
        with pytest.raises(DataError, match="cannot number more than 4"):
            write_records(tmp_path / "b.rec", [(b"a", 0), (b"b", 0), (b"c", 0)])


def set_bytes(file: Path, at: int, content: bytes) -> None:
    data = bytearray(file.read_bytes())
    data[at : at + len(content)] = content
    file.write_bytes(data)


class TestBrokenFiles:
    @pytest.mark.parametrize("indexed", [True, False])
    @pytest.mark.parametrize(
        ("at", "content", "problem"),
        [
            (4, struct.pack("<I", 2**29 - 1), "promises 536870911 bytes"),
            (4, struct.pack("<I", 40), "promises 40 bytes, 28 are left before the next record"),
            (4, struct.pack("<I", 2 << 29 | 27), "continuation flag 2 at the start of a record"),
            (4, struct.pack("<I", 3 << 29 | 27), "continuation flag 3 at the start of a record"),
            (4, struct.pack("<I", 5 << 29 | 27), "continuation flag 5"),
            (4, struct.pack("<I", 1 << 29 | 27), "byte 36 lies beyond the next record at 36"),
            (0, b"JPEG", "0x4745504a instead of the magic word 0xced7230a"),
            (4, struct.pack("<I", 3), "has 3 bytes, its header alone needs 24"),
            (8, struct.pack("<I", 2**32 - 1), "4294967295 labels need"),
        ],
    )
    def test_a_record_that_lies_is_named(
        self, tmp_path: Path, at: int, content: bytes, problem: str, indexed: bool
    ) -> None:
        rec = four(tmp_path)
        set_bytes(rec, at, content)
        if indexed:
            assert f"{rec}: 1 broken records of 7: record 1: " in refusal(rec)
            assert problem in refusal(rec)
        else:
            rec.with_suffix(".idx").unlink()
            assert str(rec) in refusal(rec)

    @pytest.mark.parametrize("cut", [1, 4, 20, 37, 60, 100])
    def test_a_truncated_file_is_refused(self, tmp_path: Path, cut: int) -> None:
        rec = four(tmp_path)
        rec.write_bytes(rec.read_bytes()[:-cut])
        assert "broken record" in refusal(rec)
        rec.with_suffix(".idx").unlink()
        assert str(rec) in refusal(rec)

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ("1\t99999999", "record 1: byte 99999999"),
            ("1\t2", "record 1: byte 2 is no multiple of 4"),
            ("1\t4", "record 1: byte 4"),
            ("1\t36", "record 1: byte 36 lies beyond the next record at 36"),
            ("1\t-4", "line 1: found b'1\\t-4'"),
            ("one\t0", "line 1"),
            ("1 0", "line 1"),
            ("1\t0\t5", "line 1"),
            ("1", "line 1"),
            ("", "line 1: found b''"),
            ("1\t" + "9" * 30, "line 1"),
            ("ü\t0", "line 1"),
            ("1\t0\n3\t0", "record 3: comes a second time"),
        ],
    )
    def test_an_index_that_lies_is_named(self, tmp_path: Path, line: str, problem: str) -> None:
        rec = four(tmp_path)
        index = rec.with_suffix(".idx")
        index.write_bytes(line.encode("latin-1") + b"\n" + index.read_bytes().split(b"\n", 1)[1])
        assert problem in refusal(rec)

    def test_wrong_lines_are_listed_to_five_and_counted(self, tmp_path: Path) -> None:
        rec = four(tmp_path)
        rec.with_suffix(".idx").write_bytes(b"1\t0\n" + b"\xff\n" * 7)
        text = refusal(rec)
        assert "7 lines" in text
        assert "line 6: found b'\\xff'" in text
        assert "line 7" not in text

    def test_empty_files_are_named(self, tmp_path: Path) -> None:
        rec = four(tmp_path)
        rec.with_suffix(".idx").write_bytes(b"")
        assert refusal(rec) == f"{tmp_path / 'train.idx'} holds no records"
        rec.write_bytes(b"")
        assert refusal(rec) == f"{rec} is empty"
        rec.unlink()
        assert refusal(rec) == f"there is no record file {rec}"

    @pytest.mark.parametrize(
        "label", [float("nan"), float("inf"), -1.0, 0.5, float(EXACT), -0.5], ids=lambda value: f"{value:g}"
    )
    @pytest.mark.parametrize("listed", [True, False])
    def test_a_label_that_is_no_identity_is_named(self, tmp_path: Path, label: float, listed: bool) -> None:
        wrong = twin.header([label] if listed else label)
        rec = twin.write(tmp_path, {3: twin.header(0.0) + b"a", 4: wrong + b"b"})
        assert f"record 4: label {label:g}, expected a whole number" in refusal(rec).replace("16777216", "1.67772e+07")

    def test_all_wrong_labels_are_counted(self, tmp_path: Path) -> None:
        rec = twin.write(tmp_path, {k: twin.header(-1.0) + b"a" for k in range(9)})
        text = refusal(rec)
        assert "record 4: label -1" in text
        assert "record 5" not in text
        assert "(9 in all)" in text

    def test_a_promise_that_the_images_break_is_told_with_both_numbers(self, tmp_path: Path) -> None:
        images = {k: twin.header(0.0) + b"a" for k in (1, 2, 4)}
        rec = twin.write(tmp_path, images | {0: twin.header([5.0, 6.0])})
        assert "promises images 1 to 4, found 3 images, 1 to 4, and 3 is not among them" in refusal(rec)
        rec = twin.write(tmp_path / "more", images | {3: images[1], 0: twin.header([9.0, 10.0])})
        assert "promises images 1 to 8, found 4 images, 1 to 4" in refusal(rec)
        rec = twin.write(tmp_path / "none", {0: twin.header([1.0, 1.0])})
        assert "holds no images" in refusal(rec)
        rec = twin.write(tmp_path / "nan", images | {0: twin.header([float("nan"), 1.0])})
        assert "promises images 1 to nan" in refusal(rec)

    def test_records_without_an_image_are_named_where_all_should_have_one(self, tmp_path: Path) -> None:
        rec = twin.write(tmp_path, {1: twin.header(0.0) + b"a", 2: twin.header(0.0)})
        assert "record 2: holds no image" in refusal(rec)

    def test_without_an_index_equal_ids_are_refused(self, tmp_path: Path) -> None:
        rec = twin.write(tmp_path, {k: twin.header(0.0, key=7) + b"a" for k in range(2)})
        rec.with_suffix(".idx").unlink()
        assert "record 7: comes a second time (without an .idx, keys are the ids in the headers)" in refusal(rec)

    def test_without_an_index_a_huge_id_is_refused(self, tmp_path: Path) -> None:
        rec = twin.write(tmp_path, {0: twin.header(0.0, key=2**64 - 1) + b"a"})
        rec.with_suffix(".idx").unlink()
        assert "id 18446744073709551615 is too large" in refusal(rec)

    @pytest.mark.parametrize(("at", "word"), [(4, 2**29 - 1), (4, 1 << 29 | 2**29 - 4), (8, 2**32 - 1)])
    @pytest.mark.parametrize("indexed", [True, False])
    def test_lies_about_lengths_cost_no_memory(self, tmp_path: Path, at: int, word: int, indexed: bool) -> None:
        rec = four(tmp_path)
        set_bytes(rec, at, struct.pack("<I", word))
        if not indexed:
            rec.with_suffix(".idx").unlink()
        tracemalloc.start()
        refusal(rec)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**20

    @settings(max_examples=100, deadline=None)
    @given(st.data())
    def test_mutated_files_are_read_or_refused(self, data: st.DataObject) -> None:
        with tempfile.TemporaryDirectory() as folder:
            rec = four(Path(folder))
            for file in (rec, rec.with_suffix(".idx")):
                content = bytearray(file.read_bytes())
                for _ in range(data.draw(st.integers(0, 4))):
                    at = data.draw(st.integers(0, len(content)))
                    content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
                file.write_bytes(content)
            if data.draw(st.booleans()):
                rec.with_suffix(".idx").unlink()
            with contextlib.suppress(DataError):
                images_of(rec)

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=200), st.one_of(st.none(), st.binary(max_size=60)))
    def test_random_files_are_read_or_refused(self, content: bytes, index: bytes | None) -> None:
        with tempfile.TemporaryDirectory() as folder:
            rec = Path(folder) / "train.rec"
            rec.write_bytes(content)
            if index is not None:
                rec.with_suffix(".idx").write_bytes(index)
            with contextlib.suppress(DataError):
                images_of(rec)
