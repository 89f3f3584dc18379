"""IJB-B and IJB-C in a tiny tree: templates, media, pairs; and numbers read block by block."""

from __future__ import annotations

import re
from pathlib import Path

import layouts
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import compared, people, read, refusal

from bench.data.formats import _numbers
from bench.data.formats._lists import Problems
from bench.errors import DataError

# Template 7 is an image and two frames of video 3; image 2.jpg is in two templates.
MEDIA = """1.jpg 7 1
2.jpg 7 3
3.jpg 7 3
4.jpg 12 4
2.jpg 12 3
5.jpg 5 5
"""
PAIRS = """7 12 1
12 5 0
7 5 0
"""
POINTS = "".join(f"{line.split()[0]} 30 51 65 51 48 71 33 92 62 92 0.9\n" for line in MEDIA.splitlines())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for i in range(1, 6):
        layouts.image(tmp_path / "aligned" / f"{i}.jpg", seed=i)
    return write(tmp_path)


def write(root: Path, media: str = MEDIA, pairs: str = PAIRS, points: str | None = None, name: str = "ijbc") -> Path:
    (root / "meta").mkdir(exist_ok=True)
    (root / "meta" / f"{name}_face_tid_mid.txt").write_text(media)
    (root / "meta" / f"{name}_template_pair_label.txt").write_text(pairs)
    if points is not None:
        (root / "meta" / f"{name}_name_5pts_score.txt").write_text(points)
    return root


def test_templates_media_and_pairs(root: Path) -> None:
    protocol = read("ijb", write(root, points=POINTS))
    assert (protocol.name, protocol.template_names, protocol.fold) == ("ijbc", ("5", "7", "12"), None)
    assert protocol.images.files == ("1.jpg", "2.jpg", "3.jpg", "4.jpg", "2.jpg", "5.jpg")
    assert protocol.template.tolist() == [1, 1, 1, 2, 2, 0]
    assert protocol.media is not None
    assert protocol.media.tolist() == [1, 3, 3, 4, 3, 5]
    assert compared(protocol) == [(-1, "7", "12", True), (-1, "12", "5", False), (-1, "7", "5", False)]
    assert {a.dtype for a in (protocol.template, protocol.media, protocol.pairs)} == {np.dtype(np.int64)}
    assert protocol.same.dtype == np.bool_


def test_people_are_what_genuine_pairs_link_and_are_not_named(root: Path) -> None:
    images = read("ijb", root).images
    person = images.labels.tolist()
    assert person[:5] == [person[0]] * 5
    assert person[5] != person[0]
    assert (len(images.identities), images.named, people("ijb", root)) == (2, False, ())


def test_the_other_set_and_other_images(root: Path) -> None:
    write(root, name="ijbb")
    (root / "aligned").rename(root / "loose_crop")
    assert read("ijb", root, set="ijbb", images="loose_crop").name == "ijbb"
    assert "no folder" in refusal("ijb", root)
    assert "`bench data align` makes them" in refusal("ijb", root)


def test_a_pair_that_comes_twice_counts_twice(root: Path) -> None:
    assert len(read("ijb", write(root, pairs=PAIRS + PAIRS)).pairs) == 6


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1.jpg 7", "found '1.jpg 7', expected 'IMAGE TEMPLATE MEDIUM'"),
        ("1.jpg seven 1", "found '1.jpg seven 1'"),
        ("1.jpg -7 1", "found '1.jpg -7 1'"),
        ("../1.jpg 7 1", "found '../1.jpg 7 1'"),
        ("/1.jpg 7 1", "found '/1.jpg 7 1'"),
        ("2.jpg 7 9", "2.jpg is already in template 7 at ijbc_face_tid_mid.txt:2"),
        ("9.jpg 7 1", "ijbc_face_tid_mid.txt: names a missing image: "),
    ],
)
def test_wrong_lines_of_images(root: Path, line: str, problem: str) -> None:
    assert problem in refusal("ijb", write(root, MEDIA + line))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("7 12", "ijbc_template_pair_label.txt:4: found '7 12', expected 'TEMPLATE TEMPLATE LABEL'"),
        ("7 12 1 1", ":4: found '7 12 1 1'"),
        ("7 12 1\n\n7 5 0", ":5: found ''"),
        ("7 12 x", ":4: found '7 12 x'"),
        ("7 12 -1", ":4: found '7 12 -1'"),
        ("7 1.0 1", ":4: found '7 1.0 1'"),
        ("7 12 2", ":4: found label 2, expected 1 (genuine) or 0 (impostor)"),
        ("7 8 1", ":4: template 7 or 8 has no image"),
        ("99 7 1", ":4: template 99 or 7 has no image"),
        ("7 9999999999999999999999 1", ":4: found '7 9999999999999999999999 1'"),
        ("7 7 1", ":4: template 7 is compared with itself"),
        ("7 12 0", ":4: a pair called impostor is one person by the genuine pairs: 7, 12"),
    ],
)
def test_wrong_lines_of_pairs(root: Path, line: str, problem: str) -> None:
    assert problem in refusal("ijb", write(root, pairs=PAIRS + line))


def test_pairs_of_one_kind_and_none(root: Path) -> None:
    assert "needs genuine and impostor pairs, found 1 and 0" in refusal("ijb", write(root, pairs="7 12 1"))
    assert "holds no pairs" in refusal("ijb", write(root, pairs="\n\n"))
    assert "lists no image" in refusal("ijb", write(root, media="\n"))


def test_points_in_another_order_than_images(root: Path) -> None:
    write(root, points=POINTS.replace("3.jpg", "8.jpg"))
    problem = "ijbc_name_5pts_score.txt:3: names '8.jpg', the images' list 3.jpg there"
    assert problem in refusal("ijb", root)
    write(root, points=POINTS + POINTS)
    assert "has 12 lines, the images' list 6" in refusal("ijb", root)


LINE = re.compile(r"[ \t\r]*([0-9]{1,18})[ \t]+([0-9]{1,18})[ \t\r]*")


def slow(text: str) -> tuple[list[int], list[list[int]], int]:
    """Line numbers and values of the good lines, and how many are wrong, one line after the other."""
    lines = text.rstrip(" \t\r\n").split("\n") if text.strip(" \t\r\n") else []
    found = [(number, LINE.fullmatch(line)) for number, line in enumerate(lines, start=1)]
    good = [(number, [int(field) for field in match.groups()]) for number, match in found if match]
    return [number for number, _ in good], [values for _, values in good], len(lines) - len(good)


ODD = ["1" * 18, "1" * 19, "-1", "+1", "1.0", "1e3", "x", ""]
FIELDS = st.one_of(st.integers(0, 10**6).map(str), st.sampled_from(ODD))
TEXTS = st.one_of(
    st.lists(st.tuples(FIELDS, st.sampled_from([" ", "\t", "  ", "\r", ","]), FIELDS).map("".join)).map("\n".join),
    st.text("01 9\t\r\n\0é#\"'_+-.", max_size=60),
)


@pytest.mark.parametrize("block", [1, 3, 1 << 24])
def test_numbers_in_blocks_are_those_read_line_by_line(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_numbers, "BLOCK", block)
    file = tmp_path / "numbers.txt"

    @settings(max_examples=150, deadline=None)
    @given(TEXTS)
    def check(text: str) -> None:
        file.write_bytes(text.encode())
        problems = Problems(file)
        blocks = list(_numbers.number_blocks(file, 2, problems, "two numbers"))
        numbers = [n for lines, _ in blocks for n in lines.tolist()]
        values = [row for _, rows in blocks for row in rows.tolist()]
        assert (numbers, values, problems.count) == slow(text)

    check()


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_bytes(b"1" * 100_000)
    with pytest.raises(DataError, match="a line, or a stretch of blank ones, is longer than 65,536 bytes"):
        list(_numbers.number_blocks(tmp_path / "numbers.txt", 2, Problems(tmp_path), "two numbers"))
