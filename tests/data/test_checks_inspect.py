"""What paths are said to be, and what is said to be suspicious about them."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import layouts
import pytest

from bench.data.checks.inspect import Inspection, inspect
from bench.data.checks.sniff import sniff
from bench.data.containers.bin import write_bin
from bench.data.containers.record_writer import write_records
from bench.errors import DataError


def takers(found: Inspection) -> list[str]:
    return [reading.format for reading in found.readings if reading.takes]


def suspicious(found: Inspection) -> dict[str, int]:
    return {finding.what: finding.count for finding in found.suspicious}


@pytest.mark.parametrize(
    ("layout", "formats"), [("lfw", ["lfw", "lfw_images"]), ("cfp", ["cfp", "cfp_images"]), ("ytf", ["ytf"])]
)
def test_official_layouts_are_told_by_their_names(tmp_path: Path, layout: str, formats: list[str]) -> None:
    found = inspect(getattr(layouts, layout)(tmp_path / "root"))
    assert takers(found) == formats
    assert found.analysed_as == formats[-1]
    json.dumps(found.record())


def test_containers_are_told_by_their_first_bytes_whatever_they_are_called(tmp_path: Path) -> None:
    image = layouts.image(tmp_path / "1.jpg").read_bytes()
    other = layouts.image(tmp_path / "2.jpg", 1).read_bytes()
    write_records(tmp_path / "a.rec", [(image, 0), (other, 1)])
    write_bin(tmp_path / "a.bin", [image, other] * 10, [True, False] * 5)
    for name, fmt, other_name in (("a.rec", "rec", "b.rec"), ("a.bin", "bin", "c")):
        shutil.copy(tmp_path / name, tmp_path / other_name)
        assert fmt in sniff(tmp_path / other_name).formats
        assert takers(inspect(tmp_path / name)) == [fmt]


def test_a_malicious_pickle_is_refused_by_name_and_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    (tmp_path / "x.bin").write_bytes(pickle.dumps(([Evil()], [True])))
    found = inspect(tmp_path / "x.bin")
    assert takers(found) == []
    assert "mkdir" in found.readings[0].note
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a", b"", "an empty file"),
        ("a.txt", b"\xef\xbb\xbf\n\n x/1.jpg 0\n", "begins with 'x/1.jpg 0'"),
        ("pairs.txt", b"10 300\n", "LFW's list: inspect its folder"),
        ("BM.txt", b"BM is text\n", "a text file"),
        ("a.txt", b"\x1b[31mred", "of no kind known here"),
        ("a.zip", b"PK\x03\x04\0\0", "a zip archive"),
        ("a.npy", b"\x93NUMPY\x01\0", "a NumPy array"),
        ("a.bin", b"\x80\x02]q\0.", "a Python pickle"),
        ("a.dat", b"\xfe\xff\0\0", "begins with the bytes fe ff 00 00"),
    ],
)
def test_files_are_described(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    found = inspect(tmp_path / name)
    assert words in found.looks_like
    assert found.analysed_as is None


def test_a_long_text_is_cut_at_a_line_and_not_within_a_letter(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("é" * 10 + "\n" + "x" + "é\n" * 5000, encoding="utf-8")
    assert sniff(tmp_path / "a.txt").text


def test_what_is_suspicious_is_counted_and_named(tmp_path: Path) -> None:
    for i in range(19):
        layouts.image(tmp_path / "Ann Lee" / f"{i}.png", i, size=(40, 40))
    layouts.image(tmp_path / "ann_lee" / "0.png", 100, size=(20, 50))
    shutil.copytree(tmp_path / "Ann Lee", tmp_path / "Bo", ignore=lambda *_: [f"{i}.png" for i in range(1, 19)])
    layouts.image(tmp_path / "Bo" / "1.png", 7, size=(40, 40), mode="L")
    (tmp_path / "Bo" / "2.jpg").write_bytes(b"no image")
    found = inspect(tmp_path)
    assert takers(found) == ["folder", "lfw_images"]
    assert found.analysed_as == "folder"
    assert suspicious(found) == {
        "unreadable": 1,
        "grey-scale": 1,
        "not 40x40 as the others": 1,
        "a side below 32 pixels": 1,
        "the same bytes more than once": 1,
        "the same bytes as several people": 1,
        "people with one image": 1,
        "different people whose names have the same letters": 1,
    }
    examples = {finding.what: finding.examples for finding in found.suspicious}
    assert examples["the same bytes as several people"] == ("Ann Lee/0.png = Bo/0.png",)
    assert examples["different people whose names have the same letters"] == ("Ann Lee = ann_lee",)
    assert (found.counts["images"], found.counts["identities"], found.counts["readable"]) == (23, 3, 22)


def test_a_large_group_is_cut_and_counted(tmp_path: Path) -> None:
    found = inspect(layouts.image_folder(tmp_path, {f"p{i}": 1 for i in range(9)}))
    (alike,) = (f for f in found.suspicious if f.what.startswith("different people"))
    assert alike.examples == ("p0 = p1 = p2 = p3 = p4 = … (9 in all)",)


def test_a_sample_looks_into_no_more_images_than_that(tmp_path: Path) -> None:
    found = inspect(layouts.image_folder(tmp_path, {"a": 6, "b": 4}), sample=5)
    assert (found.counts["images"], found.counts["looked_into"]) == (10, 5)


def test_images_that_no_reader_takes_are_looked_into_all_the_same(tmp_path: Path) -> None:
    layouts.image_folder(tmp_path / "flat", {"a": 2, "b": 1})
    (tmp_path / "flat" / "empty").mkdir()
    (tmp_path / "flat" / "a" / "loop").symlink_to(tmp_path / "flat")
    found = inspect(tmp_path / "flat")
    assert found.analysed_as == "loose images"
    assert found.counts["identities"] == 2
    assert suspicious(found)["not searched"] == 1
    assert "empty/ holds no image" in next(r.note for r in found.readings if r.format == "folder")
    deep = inspect(tmp_path)
    assert (deep.counts["images"], "identities" in deep.counts) == (3, False)


def test_names_with_line_breaks_and_escape_codes_are_shown_escaped(tmp_path: Path) -> None:
    name = "a\x1b[31m\nb"
    layouts.image_folder(tmp_path / name, {"a\x1b[2J": 1, "b": 1})
    (tmp_path / os.fsdecode(b"not utf-8 \xff")).mkdir()
    text = json.dumps(inspect(tmp_path / name).record(), ensure_ascii=False)
    assert text.isprintable()
    assert "\\\\x1b[2J" in text
    assert inspect(tmp_path).counts["images"] == 2


def test_a_path_that_is_missing_or_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        inspect(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    assert inspect(tmp_path / "pipe").looks_like == "neither a file nor a folder"


def test_a_folder_of_containers_names_them(tmp_path: Path) -> None:
    (tmp_path / "lfw.bin").write_bytes(b"\x80\x02")
    assert "inspect one of them: lfw.bin" in inspect(tmp_path).looks_like


@layouts.needs_shared
def test_on_real_faces_their_known_facts_are_found() -> None:
    found = inspect(layouts.SHARED / "lfw", sample=300)
    assert takers(found) == ["lfw", "lfw_images"]
    assert (found.counts["images"], found.counts["identities"], found.counts["readable"]) == (13_233, 5_749, 300)
    assert found.counts["sizes"] == {"112x112": 300}
    assert suspicious(found)["people with one image"] == 5_749 - 1_680
