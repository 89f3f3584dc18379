"""Where a suite's images come from: every mistake in a data block is told, with the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import SuiteError
from bench.suite.suite import load_suite

BASE = "backbone: small_cnn\nmargin: cosface\n"


def load(folder: Path, data: str) -> object:
    path = folder / "suite.yaml"
    path.write_text(BASE + data)
    return load_suite(path).cells[0].cell.data


def mistakes(folder: Path, data: str) -> str:
    with pytest.raises(SuiteError) as raised:
        load(folder, data)
    return str(raised.value)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("data: {train: {min_image: 2}}", "unknown field of format 'folder': 'min_image'; did you mean 'min_images'?"),
        ("data: {train: {format: foldr}}", "unknown training format 'foldr'; did you mean 'folder'?"),
        ("data: {train: {format: lfw}}", "format 'lfw' gives a protocol source; a training one is wanted: "),
        ("data: {train: {facts: lfww}}", "unknown facts 'lfww'; did you mean 'lfw'?"),
        ("data: {train: {allow_partial: why not}}", "allow_partial is only read beside facts"),
        ("data: {train: {union: [{path: a}], people: different, path: b}}", "with a union, path belong to its sources"),
        ("data: {train: {union: [{path: a}, {path: b}]}}", "give both or neither"),
        ("data: {train: {people: different}}", "give both or neither"),
        ("data: {train: {union: [{path: a, formt: folder}], people: by_name}}", "did you mean 'format'?"),
        ("data: {train: {subsample: {images: 0}}}", "greater than 0, found 0"),
        ("data: {train: {on_bad_image: ignore}}", "'refuse' or 'skip', found 'ignore'"),
        ("data: {protocols: [{name: lfw, flds: 3}]}", "unknown field of format 'lfw': 'flds'"),
        ("data: {protocols: [{name: mine, format: folder, path: x}]}", "format 'folder' gives a training source"),
        ("data: {train: {exclude_identities_of: [{name: a, format: lfv, path: x}]}}", "did you mean 'lfw'?"),
        ("data: {allow_overlap: ''}", "at least 1 character"),
    ],
)
def test_mistakes_say_what_is_allowed(tmp_path: Path, data: str, problem: str) -> None:
    assert problem in mistakes(tmp_path, data)
    assert "suite.yaml:3" in mistakes(tmp_path, data)


def test_all_mistakes_of_a_block_are_told_at_once(tmp_path: Path) -> None:
    text = mistakes(
        tmp_path,
        """data:
  train:
    union:
      - {path: a, formt: folder}
      - {path: b, facts: nothing}
    people: by_name
  protocols:
    - {name: lfw, facts: lvw}
""",
    )
    assert [line.partition(": ")[0].rpartition(":")[2] for line in text.splitlines()] == ["6", "7", "10"]


def test_a_source_keeps_its_formats_options_beside_its_own_fields(tmp_path: Path) -> None:
    data = load(tmp_path, "data: {protocols: [{name: cfp_ff, facts: cfp}, {name: ytf, frames: 5}]}")
    first, second = data.protocols  # type: ignore[attr-defined]
    assert (first.format, first.path, first.facts, first.format_options) == ("cfp", "cfp", "cfp", {"set": "FF"})
    assert second.format_options == {"frames": 5}


def test_a_column_that_nothing_would_fill_is_a_mistake(tmp_path: Path) -> None:
    text = mistakes(tmp_path, "report: {metrics: [acuracy, tar_at_far_1e-5]}\nevaluation: {far: [1e-3]}")
    assert "report.metrics[0]: unknown metric 'acuracy'; did you mean 'accuracy'?" in text
    assert "report.metrics[1]: unknown metric 'tar_at_far_1e-5'; did you mean 'tar_at_far_1e-3'?" in text
    load(tmp_path, "report: {metrics: [tar_at_far_1e-5, rank_1]}\nevaluation: {far: [1e-5]}")


def test_what_a_report_shows_must_be_there_and_the_nearest_name_is_told(tmp_path: Path) -> None:
    text = mistakes(
        tmp_path,
        """\
data: {protocols: [lfw, ytf]}
grid: {enhancement.strength: [0, 0.1]}
report:
  precision: {acuracy: 1}
  columns: [lfw, yft]
  headings: {enhancement.strenght: λ, lfw: LFW}
  order: [enhancement.strength, lfw.acuracy]
  group_by: enhancement.strenght
""",
    )
    found = {line.partition(": ")[2].partition(": ")[0]: line for line in text.splitlines()}
    near = {
        "report.precision.acuracy": "metric 'acuracy'; did you mean 'accuracy'?",
        "report.columns[1]": "protocol 'yft'; did you mean 'ytf'?",
        "report.headings.enhancement.strenght": "axis 'enhancement.strenght'; did you mean 'enhancement.strength'?",
        "report.order[1]": "axis or column 'lfw.acuracy'; did you mean 'lfw.accuracy'?",
        "report.group_by": "axis 'enhancement.strenght'; did you mean 'enhancement.strength'?",
    }
    assert found.keys() == near.keys()
    assert all(near[at] in found[at] for at in near), text
    assert len({line.split(":")[1] for line in text.splitlines()}) == len(near)  # each with its own line of the file


def test_a_report_that_asks_for_what_there_is_is_read(tmp_path: Path) -> None:
    suite = """\
data: {protocols: [lfw, ytf]}
grid: {enhancement.strength: [0, 0.1]}
report:
  columns: [train, ytf]
  metrics: [isotropy]
  precision: {isotropy: 4}
  headings: {lfw: ours}
  order: [train.isotropy, enhancement.strength]
  group_by: enhancement.strength
  published: {kinds: [quoted]}
"""
    load(tmp_path, suite)
    assert "published.kinds[0]" in mistakes(tmp_path, suite.replace("quoted", "rumoured"))


def test_a_known_name_with_another_format_takes_that_formats_options_only(tmp_path: Path) -> None:
    data = load(tmp_path, "data: {protocols: [{name: cfp_fp, format: bin, path: cfp_fp.bin}]}")
    (found,) = data.protocols  # type: ignore[attr-defined]
    assert "set" not in found.format_options
    assert found.format_options["folds"] == 10
