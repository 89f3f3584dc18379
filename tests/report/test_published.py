"""The published results: facts with sources, filtered by what a suite trains, never taken for measurements."""

import csv
import io
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml
from fabricated import fabricate

from bench.catalog import MARGINS, TERMS
from bench.report import published as module
from bench.report.drawing import Drawn
from bench.report.published import COLUMNS, INTRA, KINDS, NOT_MEASURED, parts_of, published, rows
from bench.report.results import report_data
from bench.report.write import write_report
from bench.suite.schema import PublishedBlock

SHARED = Path(__file__).parents[3] / "shared" / "published_results.yaml"
FILE = yaml.safe_load((Path(module.__file__).parent / "published.yaml").read_text(encoding="utf-8"))


def data_of(root, margins=("arcface",), report=None, facts=None, **asked):
    store = fabricate(
        root, backbones=("small_cnn",), margins=margins, strengths=(0.0,), seeds=(0,), epochs=1, **asked,
        plan={"facts": {"train": {"protocols": facts or {}}}},
    )  # fmt: skip
    plan = store.plan("made_up")
    store.write_plan("made_up", {**plan, "report": {**plan["report"], "published": report or {}}})
    return report_data(store, "made_up")


def test_every_row_is_a_fact_with_a_source():
    found = published()
    assert len(found) == 185
    assert len({row.id for row in found}) == len(found)
    for row in found:
        assert row.values, row.id
        assert all(0 < value <= 100 for value in row.values.values()), row.id
        assert row.source, row.id
        assert row.source_url.startswith("https://") or not row.source_url
        assert row.kind in KINDS
    assert sum(len(row.values) for row in found) == 521
    assert min(row.values["lfw"] for row in found if "lfw" in row.values) > 85


def test_methods_are_called_by_parts_that_this_package_has():
    assert set(FILE["methods"]) <= {row.method for row in published()}
    parts = {name for names in FILE["methods"].values() for name in names}
    assert parts <= {*MARGINS.names(), *TERMS.names()}
    assert parts_of("FaceNet") == frozenset()


@pytest.mark.skipif(not SHARED.is_file(), reason="needs ../shared/published_results.yaml")
def test_nothing_differs_from_what_was_collected():
    assert FILE["rows"] == yaml.safe_load(SHARED.read_text(encoding="utf-8"))


def test_arcface_s_own_intra_loss_is_not_intraloss():
    """Its rows belong to the term of ArcFace's Eq. 5, and to no margin; there is no row of arXiv 2107.03352."""
    own = [row for row in published() if "Intra" in row.method]
    assert len(own) == 6
    assert {part for row in own for part in parts_of(row.method)} == {"intra_loss"}
    assert not [row for row in published() if "2107.03352" in row.source + row.source_url]


def test_rows_are_those_of_the_suite_s_losses_and_protocols(tmp_path):
    found = rows(data_of(tmp_path, ("normface",), protocols=("ytf", "agedb_30")))
    assert {row.method for row in found} == {"NormFace"}
    assert all(row.values.keys() & {"ytf", "agedb_30"} for row in found)
    assert {row.kind for row in found} == {"official_repo"}
    every = rows(data_of(tmp_path / "b", ("normface",), {"kinds": list(KINDS), "train_sets": ["CASIA-WebFace"]}))
    assert {row.kind for row in every} == {"official_repo", "reimplementation"}
    assert {row.train_set for row in every} == {"CASIA-WebFace"}
    assert rows(data_of(tmp_path / "c", report={"show": False})) == ()
    assert rows(data_of(tmp_path / "d", ("uniface",))) == ()


def test_every_format_says_that_nothing_was_measured_here(tmp_path):
    data = data_of(tmp_path, facts={"lfw": {"pairs": 300}, "cfp_fp": {"pairs": 7000}})
    html, markdown, latex = module.to_html(data), module.to_markdown(data), module.to_latex(data)
    for text in (html, markdown, latex):
        assert NOT_MEASURED in text
        assert INTRA.split("'")[1] in text.replace("&#39;", "'")
        assert "CASIA-WebFace" in text
        assert "ResNet50" in text
        assert "The LFW of this suite is not the public test set (300 pairs, lfw has 6,000)." in text
        assert "The CFP-FP of" not in text
    assert 'class="sortable published"' in html
    assert 'data-value="99.53"' in html
    assert "href" not in html
    assert latex.isascii()
    lines = list(csv.DictReader(io.StringIO(module.to_csv(data))))
    assert [line["id"] for line in lines] == [row.id for row in rows(data)]
    assert {name for name in lines[0] if name in COLUMNS} == {"lfw", "ytf", "cfp_fp"}


def test_they_lie_beside_the_table_until_they_are_switched_off(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.report.write.drawing_figures", lambda *asked: nullcontext(lambda: Drawn((), {})))
    data = data_of(tmp_path)
    folder = write_report(data.store, "made_up").folder
    names = {"published.md", "published.tex", "published.csv"}
    assert {path.name for path in folder.iterdir()} >= names
    page = (folder / "report.html").read_text()
    assert NOT_MEASURED in page
    plan = data.store.plan("made_up")
    report = {**plan["report"], "published": PublishedBlock(show=False).model_dump()}
    data.store.write_plan("made_up", {**plan, "report": report})
    write_report(data.store, "made_up")
    assert not {path.name for path in folder.iterdir()} & names
    assert NOT_MEASURED not in (folder / "report.html").read_text()
