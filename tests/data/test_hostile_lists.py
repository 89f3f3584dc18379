"""Readers of lists against lists that are broken or meant to do harm: a clear, short error and nothing else."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple

import layouts
import pytest
import test_format_ijb
import test_format_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import read_images, refusal

from bench.catalog import FORMATS
from bench.data.formats._lists import LONGEST_LINE, lines_of, printable, quoted, safe_path
from bench.errors import DataError


class Case(NamedTuple):
    """A sound source, the list in it that is broken, and a line of that list in which ``{}`` stands for a path."""

    format: str
    make: Callable[[Path], object]
    list: str
    line: str
    options: Mapping[str, Any] = MappingProxyType({})


def image_list(root: Path) -> None:
    layouts.image(root / "bo" / "0.png")
    (root / "train.txt").write_text("bo/0.png,Bo\n")


def pairs(root: Path) -> None:
    layouts.image_folder(root, {"ann": 3, "bo": 2})
    (root / "pairs.txt").write_text(test_format_pairs.LINES)


def calfw(root: Path) -> None:
    for name in ("Ann_Lee_0001", "Ann_Lee_0002", "Bo_0001", "Bo_0002"):
        layouts.image(root / "aligned images" / f"{name}.jpg")
    (root / "pairs_CALFW.txt").write_text(test_format_pairs.TWO_LINES)


def lfw(root: Path) -> None:
    layouts.lfw(root)
    (root / "pairsDevTest.txt").write_text("1\nBo 1 2\nBo 1 Cy_Ng 1\n")
    (root / "people.txt").write_text("1\n1\nBo 3\n")


def ijb(root: Path) -> None:
    for i in range(1, 6):
        layouts.image(root / "aligned" / f"{i}.jpg")
    test_format_ijb.write(root, points=test_format_ijb.POINTS)


def ytf(root: Path) -> None:
    layouts.ytf(root, frames=1)


CASES = {
    "list": Case("list", image_list, "train.txt", "{},Bo"),
    "pairs": Case("pairs", pairs, "pairs.txt", "{} ann/0.png 1", {"folds": 2}),
    "pairs in two lines": Case("pairs", calfw, "pairs_CALFW.txt", "{} 1", test_format_pairs.CALFW),
    "lfw": Case("lfw", lfw, "pairs.txt", "{} 1 2"),
    "lfw dev": Case("lfw", lfw, "pairsDevTest.txt", "{} 1 2", {"pairs": "pairsDevTest.txt"}),
    "lfw people": Case("lfw_images", lfw, "people.txt", "{} 1", {"people": "people.txt"}),
    "ytf": Case("ytf", ytf, "splits.txt", "1, 1, {}, Bo/2, 1"),
    "cfp pairs": Case("cfp", layouts.cfp, "Protocol/Split/FP/01/same.txt", "{},1"),
    "cfp images": Case("cfp", layouts.cfp, "Protocol/Pair_list_F.txt", "1 ../Data/Images/{}"),
    "cfp names": Case("cfp", layouts.cfp, "Data/list_name.txt", "{}"),
    "ijb images": Case("ijb", ijb, "meta/ijbc_face_tid_mid.txt", "{} 7 1"),
    "ijb pairs": Case("ijb", ijb, "meta/ijbc_template_pair_label.txt", "{} 7 1"),
    "ijb points": Case("ijb", ijb, "meta/ijbc_name_5pts_score.txt", "{} 30 51 65 51 48 71 33 92 62 92 0.9"),
}
ELSEWHERE = ["../../etc/passwd", "/etc/passwd", "bo/../../x.png", "C:x.png", "C:\\x.png", "..", "bo\\0.png", "a" * 300]


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    found: Case = request.param
    found.make(tmp_path)
    FORMATS.get(found.format).function(tmp_path, **found.options)  # sound as it is
    return found


def refused(case: Case, root: Path, content: bytes) -> str:
    (root / case.list).write_bytes(content)
    text = refusal(case.format, root, **case.options)
    assert len(text) < 4000
    assert printable(text.replace("\n", "")) == text.replace("\n", "")
    return text


@pytest.mark.parametrize("path", ELSEWHERE)
def test_a_path_that_leads_elsewhere_is_refused_with_its_line(case: Case, path: str, tmp_path: Path) -> None:
    text = refused(case, tmp_path, case.line.replace("{}", path).encode())
    assert f"{Path(case.list).name}:1:" in text or case.list == "Data/list_name.txt"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"caf\xe9 1 2\n", "cannot be read: line 1 is not UTF-8"),
        ("bo\n".encode("utf-16"), "cannot be read: line 1"),
        (b"ok\n\0\n", "line"),
        (b"x" * (LONGEST_LINE + 2), "is longer than 65,536 bytes"),
        (b"\x1b[2J\x07 \xe2\x80\xae 1\n", ""),
        (b"9" * 5000 + b" " + b"9" * 5000 + b" 1\n", ""),
        (b"", ""),
        (b"\n \r\n\t\n", ""),
    ],
    ids=["latin-1", "utf-16", "NUL", "one long line", "terminal escapes", "long numbers", "no bytes", "blank lines"],
)
def test_what_is_no_list(case: Case, content: bytes, problem: str, tmp_path: Path) -> None:
    text = refused(case, tmp_path, content)
    assert problem in text or case.list == "meta/ijbc_template_pair_label.txt"


def test_a_folder_a_pipe_and_a_loop_of_links_in_place_of_a_list(case: Case, tmp_path: Path) -> None:
    listing = tmp_path / case.list
    listing.unlink()
    if case.list != "meta/ijbc_name_5pts_score.txt":  # which may be absent
        assert "no list file" in refusal(case.format, tmp_path, **case.options)
    listing.mkdir()
    assert "cannot be read: it is no file" in refusal(case.format, tmp_path, **case.options)
    listing.rmdir()
    os.mkfifo(listing)
    assert "cannot be read: it is no file" in refusal(case.format, tmp_path, **case.options)
    listing.unlink()
    listing.symlink_to(listing)
    if case.list != "meta/ijbc_name_5pts_score.txt":
        assert "no list file" in refusal(case.format, tmp_path, **case.options)


def test_a_hundred_thousand_wrong_lines_make_a_short_message(case: Case, tmp_path: Path) -> None:
    # A name of CFP's may be any text, but only once.
    every = b"Bo %d\n" if case.list == "Data/list_name.txt" else b"../%d , ?\n"
    lines = b"".join(every % (i // 2) for i in range(100_000))
    text = refused(case, tmp_path, lines)
    assert re.search("… and [0-9]+ more$", text)


TOKENS = [b" ", b"\n", b",", b"\t", b'"', b"/", b"..", b"1", b"-1", b"0", b"\xff", b"\0", b"#", b"\xef\xbb\xbf"]
INSERTED = st.one_of(st.binary(max_size=20), st.lists(st.sampled_from(TOKENS), max_size=8).map(b"".join))


@pytest.mark.parametrize("name", CASES)
def test_any_bytes_are_read_or_refused(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    case.make(tmp_path)
    sound = (tmp_path / case.list).read_bytes()
    spec = FORMATS.get(case.format)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, len(sound)), st.integers(0, 20), INSERTED)
    def check(start: int, dropped: int, inserted: bytes) -> None:
        (tmp_path / case.list).write_bytes(sound[:start] + inserted + sound[start + dropped :])
        for function in (spec.function, spec.traits["people"]):
            with contextlib.suppress(DataError):
                function(tmp_path, **{**spec.defaults, **case.options})

    check()


class TestLinks:
    def test_a_link_that_leads_out_of_the_folder(self, tmp_path: Path) -> None:
        layouts.image(tmp_path / "secret" / "0.png")
        root = tmp_path / "set"
        layouts.image(root / "bo" / "0.png")
        (root / "bo" / "1.png").symlink_to(tmp_path / "secret" / "0.png")
        (root / "zoe").symlink_to(tmp_path / "secret")
        (root / "train.txt").write_text("bo/0.png,Bo\nbo/1.png,Bo\nzoe/0.png,Zoe\n")
        text = refusal("list", root)
        assert "train.txt:2: names a file outside of the folder, through a link" in text
        assert "train.txt:3: names a file outside of the folder, through a link" in text
        (root / "pairs.txt").write_text("bo/0.png bo/1.png 1\nbo/0.png zoe/0.png 0\n")
        assert "2 problems" in refusal("pairs", root, folds=0)

    def test_links_within_the_folder_and_a_root_that_is_a_link(self, tmp_path: Path) -> None:
        layouts.image(tmp_path / "set" / "bo" / "0.png")
        (tmp_path / "set" / "bo" / "1.png").symlink_to("0.png")
        (tmp_path / "set" / "train.txt").write_text("bo/0.png,Bo\nbo/1.png,Bo\n")
        (tmp_path / "link").symlink_to("set")
        assert len(read_images("list", tmp_path / "link").files) == 2

    @pytest.mark.parametrize("format", ["folder", "list"])
    def test_loops_of_links_are_no_images(self, format: str, tmp_path: Path) -> None:
        layouts.image(tmp_path / "bo" / "0.png")
        (tmp_path / "bo" / "loop.png").symlink_to("loop.png")
        (tmp_path / "bo" / "up").symlink_to("..")
        (tmp_path / "train.txt").write_text("bo/0.png,Bo\nbo/loop.png,Bo\nbo/up/bo/0.png,Bo\n")
        text = refusal(format, tmp_path)
        assert "loop.png" in text


def test_names_on_disk_that_are_not_utf8(tmp_path: Path) -> None:
    layouts.image(tmp_path / "bo" / "0.png")
    os.link(tmp_path / "bo" / "0.png", os.fsencode(tmp_path / "bo") + b"/\xff.png")
    assert "bo/\\udcff.png is a name that is not UTF-8" in refusal("folder", tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path / "bo") + b"/\xff.png")).unlink()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/z\xfe")).mkdir()
    assert "z\\udcfe/ is a name that is not UTF-8" in refusal("folder", tmp_path)


def test_long_and_unprintable_text_is_cut_and_escaped() -> None:
    assert quoted("a\x1b") == "'a\\x1b'"
    assert quoted("é" * 1000) == f"'{'é' * 100}'… (1000 characters)"
    assert printable("é\x1b[2J\u202e\udcff") == "é\\x1b[2J\\u202e\\udcff"


@given(st.text(st.sampled_from("ab./\\:\0 "), max_size=12))
def test_a_safe_path_stays_below_every_root(text: str) -> None:
    path = safe_path(text)
    if path is not None:
        assert not PurePosixPath(path).is_absolute()
        assert os.path.normpath(f"/root/{path}") == f"/root/{path}"
        assert os.path.normpath(text) == path


def test_lines_are_those_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"

    @given(st.lists(st.text(st.characters(exclude_characters="\0\n", codec="utf-8"), max_size=9), max_size=9))
    def check(lines: list[str]) -> None:
        file.write_bytes("\n".join(["x", *lines]).encode())
        assert lines_of(file) == [(n, line.strip()) for n, line in enumerate(["x", *lines], start=1) if line.strip()]

    check()
