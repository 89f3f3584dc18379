"""Landmark lists and landmark folders: what is read, and what is said about what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.alignment.landmarks import FIVE, parse_selection, read_landmarks
from bench.errors import BenchError, DataError

POINTS = np.arange(10, dtype=float).reshape(5, 2)
NUMBERS = [f"{value:g}" for value in POINTS.ravel()]


def write(folder: Path, text: str, name: str = "list.txt") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
    return file


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as raised:
        read_landmarks(path, **options)  # type: ignore[arg-type]
    return str(raised.value)


@pytest.mark.parametrize(
    "line",
    [
        f"a/b 1.jpg {' '.join(NUMBERS)}",
        f"a/b 1.jpg,{','.join(NUMBERS)}",
        f"a/b 1.jpg\t{chr(9).join(NUMBERS)}\r",
        f'"a/b 1.jpg", {", ".join(NUMBERS)}',
        f"\ufeffa/b 1.jpg {' '.join(NUMBERS)}",
    ],
    ids=["spaces", "commas", "tabs, crlf", "quoted", "byte-order mark"],
)
@pytest.mark.parametrize("end", ["\n", "", "\n\n"])
def test_separators_line_ends_and_spaces_in_paths_are_all_the_same(tmp_path: Path, line: str, end: str) -> None:
    found = read_landmarks(write(tmp_path, line + end))
    assert found.names == ("a/b 1.jpg",)
    np.testing.assert_array_equal(found.points, POINTS[None])
    assert not found.stems


@given(
    st.lists(st.floats(allow_nan=False, width=32), min_size=10, max_size=10), st.sampled_from([" ", ",", "\t", ", "])
)
def test_numbers_come_back_as_they_were_written(tmp_path_factory, values: list[float], separator: str) -> None:
    file = write(tmp_path_factory.mktemp("lists"), separator.join(["1.jpg", *map(repr, values)]))
    assert read_landmarks(file).points.ravel().tolist() == values


def test_a_header_and_further_columns_are_read_over_where_declared(tmp_path: Path) -> None:
    text = f"path x1 y1 x2 y2 x3 y3 x4 y4 x5 y5 score\n1.jpg {' '.join(NUMBERS)} 0.99\n"
    found = read_landmarks(write(tmp_path, text), header=True, extra_columns=1)
    np.testing.assert_array_equal(found.points, POINTS[None])
    undeclared = refusal(write(tmp_path, text))
    assert "line 1: found 0 numbers" in undeclared
    assert "--header skips" in undeclared
    assert "line 2: found 11 numbers after '1.jpg', expected 10 coordinates; --extra-columns" in undeclared


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1.jpg 1 2 3 4 5 6 7 8 9", "line 2: found 9 numbers after '1.jpg'"),
        ("1.jpg 1 2 3 4 5 6 7 8 9 ten", "line 2: found 0 numbers"),
        ("1.jpg 1 2 3 4 5 6 7 8 9 1_0", "line 2: found 0 numbers"),
        ("1 2 3 4 5 6 7 8 9 10", "'' is no path below"),
        ("../1.jpg 1 2 3 4 5 6 7 8 9 10", "'../1.jpg' is no path below"),
        ("/etc/1.jpg 1 2 3 4 5 6 7 8 9 10", "is no path below"),
        ("C:/1.jpg 1 2 3 4 5 6 7 8 9 10", "is no path below"),
        ("a\\1.jpg 1 2 3 4 5 6 7 8 9 10", "is no path below"),
        ("0.jpg 1 2 3 4 5 6 7 8 9 10", "comes again; it is on line 1"),
    ],
)
def test_malformed_lines_are_named(tmp_path: Path, line: str, reason: str) -> None:
    text = f"0.jpg {' '.join(NUMBERS)}\n{line}\n"
    assert reason in refusal(write(tmp_path, text))


def test_five_problems_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, "x.jpg 1\n" * 7))
    assert "7 problems" in text
    assert "line 5" in text
    assert "line 6" not in text


def test_a_list_that_is_missing_empty_or_no_text(tmp_path: Path) -> None:
    assert "no list file" in refusal(tmp_path / "none.txt")
    assert "holds no landmarks" in refusal(write(tmp_path, "\n"))
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\0")
    assert "cannot be read" in refusal(tmp_path / "list.txt")


def test_points_are_chosen_and_averaged_by_number(tmp_path: Path) -> None:
    points = np.arange(14, dtype=float).reshape(7, 2)
    line = f"1.jpg {' '.join(f'{value:g}' for value in points.ravel())} 0.5"
    selection = parse_selection("1-3, 4,5+7,6,1")
    found = read_landmarks(write(tmp_path, line), selection=selection, extra_columns=1)
    expected = [points[:3].mean(0), points[3], points[[4, 6]].mean(0), points[5], points[0]]
    np.testing.assert_array_equal(found.points[0], expected)
    eight = parse_selection("1,2,3,4,8")
    assert "holds 7 points, point 8 is asked for" in refusal(write(tmp_path, line), selection=eight, extra_columns=1)


def test_selections_name_their_mistake() -> None:
    assert parse_selection("1,2,3,4,5") == FIVE
    for text, reason in [
        ("1,2,3,4", "found 4 groups, expected five"),
        ("0,1,2,3,4", "'0' is no point"),
        ("3-1,1,2,3,4", "'3-1' is no point"),
        ("a,1,2,3,4", "'a' is no point"),
        ("1+,1,2,3,4", "'' is no point"),
        ("-1,1,2,3,4", "'-1' is no point"),
    ]:
        with pytest.raises(BenchError, match=reason.replace("(", r"\(")):
            parse_selection(text)


def test_a_folder_holds_a_file_for_each_image(tmp_path: Path) -> None:
    lines = "".join(f"{x:g},{y:g}\n" for x, y in POINTS)
    write(tmp_path, lines, "001/frontal/02.txt")
    write(tmp_path, lines.replace("\n", "\r\n").strip(), "001/frontal/01.txt")
    write(tmp_path, lines.split("\n", 1)[1], "002/frontal/01.txt")
    write(tmp_path, lines.replace("4,5", ""), "002/frontal/02.txt")
    found = read_landmarks(tmp_path)
    assert found.stems
    assert found.names == ("001/frontal/01", "001/frontal/02")
    np.testing.assert_array_equal(found.points, [POINTS, POINTS])
    assert found.broken == {
        "002/frontal/01": "002/frontal/01.txt: holds 4 points, point 5 is asked for",
        "002/frontal/02": "002/frontal/02.txt: line 3: found '', expected 'x,y'",
    }


def test_a_folder_without_landmark_files_is_refused(tmp_path: Path) -> None:
    assert "holds no .txt file" in refusal(tmp_path)
