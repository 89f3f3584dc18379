"""Pair lists: a pair a line, and a pair in two lines."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import layouts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import compared, people, read, refusal

from bench.data.formats._protocols import people_by_pairs

# Two folds of 1 + 1 pairs, as AgeDB-30 comes.
LINES = """ann/0.png ann/1.png 1
ann/0.png bo/0.png 0
bo/0.png bo/1.png 1
bo/1.png ann/2.png -1
"""
# Genuine pairs first, numbered by their fold, as CALFW comes; CPLFW has 1 throughout.
TWO_LINES = """Ann_Lee_0001.jpg 1
Ann_Lee_0002.jpg 1
Bo_0001.jpg 2
Bo_0002.jpg 2
Ann_Lee_0001.jpg 0
Bo_0001.jpg 0
Ann_Lee_0002.jpg 0
Bo_0002.jpg 0
"""
CALFW = {"file": "pairs_CALFW.txt", "images": "aligned images", "layout": "two_lines", "fold_by": "kind", "folds": 2}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    layouts.image_folder(tmp_path, {"ann": 3, "bo": 2})
    return tmp_path


@pytest.fixture
def calfw(tmp_path: Path) -> Path:
    for name in ("Ann_Lee_0001", "Ann_Lee_0002", "Bo_0001", "Bo_0002"):
        layouts.image(tmp_path / "aligned images" / f"{name}.jpg")
    return write(tmp_path, TWO_LINES, "pairs_CALFW.txt")


def write(root: Path, text: str, name: str = "pairs.txt") -> Path:
    (root / name).write_bytes(text.encode())
    return root


class TestLines:
    def test_pairs_labels_and_folds(self, root: Path) -> None:
        protocol = read("pairs", write(root, LINES), folds=2, identity="folder")
        assert compared(protocol) == [
            (0, "ann/0.png", "ann/1.png", True),
            (0, "ann/0.png", "bo/0.png", False),
            (1, "bo/0.png", "bo/1.png", True),
            (1, "bo/1.png", "ann/2.png", False),
        ]
        assert (protocol.images.identities, protocol.images.named) == (("ann", "bo"), True)
        assert protocol.images.files == protocol.template_names
        assert people("pairs", root, identity="folder") == ("ann", "bo")

    @pytest.mark.parametrize(
        ("text", "options"),
        [
            (LINES.replace("\n", "\r\n").strip(), {}),
            (LINES.replace(" ", ","), {"delimiter": "comma"}),
            (LINES.replace(" ", "\t"), {"delimiter": "tab"}),
            ("first second same\n" + LINES, {"header": True}),
        ],
        ids=["crlf, no final newline", "comma", "tab", "header"],
    )
    def test_other_spellings(self, root: Path, text: str, options: dict[str, object]) -> None:
        expected = compared(read("pairs", write(root, LINES), folds=2))
        assert compared(read("pairs", write(root, text), folds=2, **options)) == expected

    def test_no_folds(self, root: Path) -> None:
        assert read("pairs", write(root, LINES), folds=0).fold is None

    def test_folds_in_a_column(self, root: Path) -> None:
        numbers = (2, 1, 1, 2)
        text = "\n".join(f"{line} {n}" for line, n in zip(LINES.splitlines(), numbers, strict=True))
        protocol = read("pairs", write(root, text), fold_by="column", folds=2)
        assert protocol.fold is not None
        assert protocol.fold.tolist() == [1, 0, 0, 1]
        assert "has 2 folds, option folds says 3" in refusal("pairs", root, fold_by="column", folds=3)
        write(root, text.replace(" 2\n", " 7\n"))
        assert "folds must be numbered 1, 2, …, found 1, 2, 7" in refusal("pairs", root, fold_by="column", folds=2)
        write(root, text.replace(" 2\n", " 0\n"))
        assert "pairs.txt:1: found fold '0', expected a number from 1" in refusal("pairs", root, fold_by="column")

    def test_people_unknown_are_made_up_from_genuine_pairs(self, root: Path) -> None:
        images = read("pairs", write(root, LINES), folds=2).images
        person = dict(zip(images.files, images.labels.tolist(), strict=True))
        assert person["ann/0.png"] == person["ann/1.png"] != person["ann/2.png"]
        assert person["bo/0.png"] == person["bo/1.png"]
        assert len(images.identities) == 3
        assert not images.named
        assert people("pairs", root) == ()

    @pytest.mark.parametrize(
        ("line", "options", "problem"),
        [
            ("ann/0.png ann/1.png", {}, "pairs.txt:1: found 'ann/0.png ann/1.png', expected a path, a path, a label"),
            ("ann/0.png ann/1.png 2", {}, "pairs.txt:1: found label '2', expected 1 (genuine), 0 or -1 (impostor)"),
            ("ann/0.png ann/1.png yes", {}, "pairs.txt:1: found label 'yes'"),
            ("ann/0.png ann/9.png 1", {}, "pairs.txt:1: names a missing image: "),
            ("ann/0.png ann/0.png 1", {}, "pairs.txt:1: ann/0.png is compared with itself"),
            ("bo/0.png ann/0.png 0", {}, "pairs.txt:2: ann/0.png and bo/0.png are already compared at pairs.txt:1"),
            ("ann/0.png bo/1.png 1", {"identity": "folder"}, "pairs.txt:1: a pair called genuine shows two people"),
            ("ann/0.png ann/1.png 0", {"identity": "folder"}, "pairs.txt:1: a pair called impostor shows one person"),
            ("ann/0.png ann/1.png 1", {"identity": "stem"}, "ann/0.png has no identity: expected a name that ends in"),
        ],
    )
    def test_a_wrong_line_is_named(self, root: Path, line: str, options: dict[str, object], problem: str) -> None:
        text = line + "\n" + LINES.split("\n", 1)[1]
        assert problem in refusal("pairs", write(root, text), folds=2, **options)

    def test_an_image_without_a_folder_has_no_person_there(self, root: Path) -> None:
        layouts.image(root / "x.png")
        text = LINES.replace("ann/2.png", "x.png")
        problem = "pairs.txt:4: x.png has no identity: expected a folder above it"
        assert problem in refusal("pairs", write(root, text), folds=2, identity="folder")

    def test_an_impostor_pair_within_linked_images(self, root: Path) -> None:
        text = "ann/0.png ann/1.png 1\nann/1.png ann/2.png 1\nann/0.png ann/2.png 0\nann/0.png bo/0.png 0"
        problem = "pairs.txt:3: a pair called impostor is one person by the genuine pairs: ann/0.png, ann/2.png"
        assert problem in refusal("pairs", write(root, text), folds=0)

    def test_repeated_pairs_are_kept_only_on_request(self, root: Path) -> None:
        write(root, LINES + LINES)
        assert "pairs.txt:5: ann/0.png and ann/1.png are already compared" in refusal("pairs", root, folds=2)
        assert len(read("pairs", root, folds=2, repeats="keep").pairs) == 8

    def test_folds_that_are_not_whole(self, root: Path) -> None:
        write(root, LINES)
        assert "4 pairs do not make 3 equal folds" in refusal("pairs", root, folds=3)
        assert "option folds must be 0 (none) or at least 2, found 1" in refusal("pairs", root, folds=1)
        assert "fold 1 of 4 needs genuine and impostor pairs, found 1 and 0" in refusal("pairs", root, folds=4)
        assert "holds no pairs" in refusal("pairs", write(root, "\n"))


class TestTwoLines:
    def test_genuine_and_impostor_pairs_are_divided_apart(self, calfw: Path) -> None:
        protocol = read("pairs", calfw, **CALFW, identity="stem")
        assert compared(protocol) == [
            (0, "Ann_Lee_0001.jpg", "Ann_Lee_0002.jpg", True),
            (1, "Bo_0001.jpg", "Bo_0002.jpg", True),
            (0, "Ann_Lee_0001.jpg", "Bo_0001.jpg", False),
            (1, "Ann_Lee_0002.jpg", "Bo_0002.jpg", False),
        ]
        assert protocol.images.identities == people("pairs", calfw, **CALFW, identity="stem") == ("Ann_Lee", "Bo")
        assert protocol.images.root == calfw / "aligned images"

    def test_genuine_pairs_that_are_all_numbered_one(self, calfw: Path) -> None:
        expected = compared(read("pairs", calfw, **CALFW))
        write(calfw, TWO_LINES.replace(" 2\n", " 1\n"), "pairs_CALFW.txt")
        assert compared(read("pairs", calfw, **CALFW)) == expected

    def test_numbers_that_are_not_the_folds(self, calfw: Path) -> None:
        write(calfw, TWO_LINES.replace(" 2\n", " 3\n"), "pairs_CALFW.txt")
        text = refusal("pairs", calfw, **CALFW)
        assert "pairs_CALFW.txt:3: a genuine pair is numbered 3, by its place it is in fold 2" in text

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (
                TWO_LINES.replace(" 1\n", " 0\n", 1),
                "CALFW.txt:1: the two lines of a pair have the numbers 0 and 1",
            ),
            (TWO_LINES.rsplit("\n", 2)[0], "pairs_CALFW.txt:7: a pair is two lines, found one"),
            (TWO_LINES.replace(" 1\n", " -1\n", 1), "pairs_CALFW.txt:1: found number '-1', expected 0 (impostor) or"),
            (TWO_LINES.replace("Ann", "../Ann", 1), "pairs_CALFW.txt:1: '../Ann_Lee_0001.jpg' is no path below"),
        ],
        ids=["two numbers", "half a pair", "a number below 0", "a path that leads out"],
    )
    def test_wrong_lines_are_named(self, calfw: Path, text: str, problem: str) -> None:
        assert problem in refusal("pairs", write(calfw, text, "pairs_CALFW.txt"), **CALFW)

    def test_one_malformed_line_does_not_shift_the_pairs_after_it(self, calfw: Path) -> None:
        text = refusal("pairs", write(calfw, TWO_LINES.replace(" 1\n", "\n", 1), "pairs_CALFW.txt"), **CALFW)
        assert "problems" not in text
        assert "pairs_CALFW.txt:1: found 'Ann_Lee_0001.jpg', expected a path, a number" in text

    def test_kinds_that_do_not_divide(self, calfw: Path) -> None:
        write(calfw, "\n".join(TWO_LINES.splitlines()[:6]), "pairs_CALFW.txt")
        assert "1 impostor pairs do not make 2 equal folds" in refusal("pairs", calfw, **CALFW)

    def test_there_is_no_fourth_field(self, calfw: Path) -> None:
        text = refusal("pairs", calfw, **{**CALFW, "fold_by": "column"})
        assert "option fold_by: column needs layout: line" in text


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_people_by_pairs_are_the_connected_groups(case: tuple[int, list[tuple[int, int]]]) -> None:
    count, links = case
    group = list(range(count))  # the slow twin: links are followed until nothing changes
    for _ in range(count):
        for a, b in links:
            group[a] = group[b] = min(group[a], group[b])
    found = people_by_pairs(count, np.array(links, np.int64).reshape(-1, 2)).tolist()
    assert [[a == b for b in found] for a in found] == [[a == b for b in group] for a in group]
    assert all(b <= a + 1 for a, b in pairwise([-1, *(max(found[: i + 1]) for i in range(count))]))
