"""What the suite's `report:` block asks of its tables, their marks and their flags, in every format."""

import csv
import io
import re
import shutil
import statistics
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from fabricated import fabricate
from replicated import replicated
from scipy import stats

from bench.report.effects import all_effects
from bench.report.flags import flag
from bench.report.latex import latex_escape, to_latex
from bench.report.results import report_data
from bench.report.table import build_table
from bench.report.writers import to_csv, to_html, to_markdown, to_rich, to_text

SMALL = {"backbones": ("small_cnn",), "margins": ("arcface", "cosface"), "strengths": (0.0, 0.1), "epochs": 1}
HOSTILE = r"[*]<script>alert(1)</script> & 5% $x$ \input{x} a_b|c `d` ~^ #é 中"


def table_of(root, make=fabricate, plan=None, **report):
    store = make(root, **{**SMALL, "seeds": (0, 1, 2), **(plan or {})})
    made = store.plan("made_up")
    store.write_plan("made_up", {**made, "report": {**made["report"], **report}})
    return build_table(report_data(store, "made_up"))


def test_after_the_mean_stands_half_the_interval_or_the_deviation(tmp_path):
    table = table_of(tmp_path, level=0.9)
    entry = table.rows[0].entries[0]
    values = [100 * x for x in (0.90, 0.904, 0.908)]
    assert entry.sd == pytest.approx(statistics.stdev(values))
    low, high = stats.t.interval(0.9, 2, statistics.mean(values), statistics.stdev(values) / 3**0.5)
    assert entry.half == pytest.approx((high - low) / 2)
    assert entry.text(2, "interval") == f"90.40 ± {entry.half:.2f}"
    assert entry.text(1, "sd") == "90.4 ± 0.4"
    assert "half the 90 % interval" in table.notes[0]
    deviations = replace(table, spread="sd")
    assert "90.40 ± 0.40" in to_markdown(deviations)
    assert "90.40 ± 0.40" not in to_markdown(table)


def test_differences_are_marked_by_what_holm_leaves_of_them(tmp_path):
    """A real effect and none; the same mark in every format, in words where there is no room for a sign."""
    table = table_of(tmp_path, replicated, {"strengths": (0.0, 0.001, 0.1), "protocols": ("lfw",), "seeds": range(5)})
    none, real = table.rows[1].entries[0], table.rows[2].entries[0]
    assert real.p_holm < 0.05 <= none.p_holm
    assert (real.verdict, none.verdict, table.rows[0].entries[0].verdict) == ("significant", "not", "")
    assert real.delta_text(2).endswith("*")
    assert none.delta_text(2).endswith("°")
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert [row["lfw.accuracy.verdict"] for row in rows[:3]] == ["", "not", "significant"]
    assert float(rows[2]["lfw.accuracy.delta_low"]) == pytest.approx(real.low, abs=1e-6)
    html = str(to_html(table))
    assert f'title="significant, p = {real.p_holm:.2g} after Holm; interval +' in html
    assert 'title="not significant' in html
    assert real.delta_text(2).replace("*", r"\*") in to_markdown(table)
    assert real.delta_text(2).replace("*", "{*}") in to_latex(table)
    notes = " ".join(table.notes)
    assert "5 % after Holm's correction" in notes
    assert "seeds and people: Student's t over seeds with a paired bootstrap over people" in notes


def test_a_column_is_compared_where_replicates_were_kept(tmp_path):
    columns = {c.key: c.has_delta for c in table_of(tmp_path / "a", replicated, {"protocols": ("lfw",)}).columns}
    assert columns == {"lfw.accuracy": True, "lfw.tar_at_far_1e-2": True, "lfw.tar_at_far_1e-3": False}
    columns = {c.key: c.has_delta for c in table_of(tmp_path / "b", plan={"protocols": ("lfw",)}).columns}
    assert columns == {"lfw.accuracy": True, "lfw.tar_at_far_1e-2": False, "lfw.tar_at_far_1e-3": False}


def test_one_seed_is_marked_by_nothing_and_the_table_says_why(tmp_path):
    table = table_of(tmp_path, replicated, {"seeds": (0,)})
    assert {entry.verdict for row in table.rows for entry in row.entries} == {""}
    assert any("holds for these two networks only" in note for note in table.notes)
    assert not any("Holm" in note for note in table.notes)


@pytest.mark.parametrize(
    ("accuracy", "pairs", "genuine", "expected"),
    [
        (0.9985, 6000, 3000, "†"),  # 9 wrong pairs
        (0.998, 6000, 3000, ""),
        (0.94, 100, 50, ""),  # 6 wrong pairs, but not near 100 %
        (0.5, 6000, 3000, "‡"),
        (0.53, 6000, 3000, ""),
        (0.58, 100, 50, "‡"),
        (0.59, 100, 50, ""),
        (0.8, 100, 20, "‡"),  # always "not the same" is right so often
        (0.0, 10, 5, "‡"),
        (0.5, 0, 0, ""),
    ],
)
def test_flags_against_an_exact_test(accuracy, pairs, genuine, expected):
    assert flag(accuracy, pairs, genuine) == expected
    if pairs and expected != "†":
        guessed = max(genuine, pairs - genuine) / pairs
        p = stats.binomtest(round(accuracy * pairs), pairs, guessed, alternative="greater").pvalue
        assert (p > 0.05) == (expected == "‡")


def test_flags_stand_beside_accuracy_alone_and_their_rule_below(tmp_path):
    table = table_of(tmp_path, replicated, {"pairs": 40, "protocols": ("lfw",)}, precision={"accuracy": 1})
    assert "near ceiling" not in " ".join(table.notes)
    near = table_of(tmp_path / "b", replicated, {"pairs": 4, "protocols": ("lfw",)})
    flags = [[entry.flag for entry in row.entries] for row in near.rows]
    assert all(row[1:] == ["", ""] for row in flags)
    assert any(note.startswith("‡ near chance") for note in near.notes)
    assert near.rows[0].entries[0].text(2).endswith("‡")
    assert r"\ddag{}" in to_latex(near)
    assert "near chance" in to_csv(near)


def test_rows_are_grouped_and_ordered_as_asked(tmp_path):
    table = table_of(tmp_path, group_by="margin", order=["lfw.accuracy"], headings={"margin": "Loss", "lfw": "LFW*"})
    assert [(name, [row.labels for row in rows]) for name, rows in table.groups()] == [
        ("arcface", [("small_cnn", "0.1"), ("small_cnn", "0")]),
        ("cosface", [("small_cnn", "0.1"), ("small_cnn", "0")]),
    ]
    assert table.axes == ("backbone", "λ")
    assert to_markdown(table).count("*Loss: arcface*") == 1
    assert r"\multicolumn{15}{l}{\textit{Loss: cosface}}" in to_latex(table)
    assert str(to_html(table)).count("<tbody>") == 2
    assert next(csv.DictReader(io.StringIO(to_csv(table))))["Loss"] == "arcface"
    assert to_rich(table).row_count == 6
    assert r"LFW\* accuracy" in to_markdown(table)
    plain = table_of(tmp_path / "b", order=["enhancement.strength", "margin"])
    assert [row.labels[1:] for row in plain.rows] == [(m, s) for s in ("0", "0.1") for m in ("arcface", "cosface")]


def test_columns_are_those_asked_for_with_their_decimals(tmp_path):
    table = table_of(tmp_path, columns=["cfp_fp", "lfw"], metrics=["accuracy", "eer"], precision={"accuracy": 3})
    assert [c.key for c in table.columns] == ["cfp_fp.accuracy", "cfp_fp.eer", "lfw.accuracy", "lfw.eer"]
    assert [c.digits for c in table.columns] == [3, 2, 3, 2]
    assert "90.400 ±" in to_markdown(table)
    assert "YTF" not in to_text(table)


def test_a_plan_of_an_older_version_has_the_defaults(tmp_path):
    table = table_of(tmp_path)
    assert (table.spread, table.level, table.grouped_by) == ("interval", 0.95, "")


@pytest.mark.parametrize("width", [100, 200, 300])
def test_a_terminal_gets_parts_that_fit(tmp_path, width):
    table = table_of(tmp_path, replicated)
    grid = to_text(table, width).split("¹ best")[0]
    assert max(map(len, grid.splitlines())) <= width
    assert grid.count("backbone") == {100: 3, 200: 2, 300: 1}[width]
    assert grid.count("YTF") == 1
    assert to_text(table).split("¹ best")[0].count("backbone") == 1


class Reader(HTMLParser):
    """Rows of (tag, columns, attributes)."""

    def __init__(self):
        super().__init__()
        self.rows, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        given = dict(attributes)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append((tag, int(given.get("colspan", 1)), given))

    def handle_data(self, data):
        self.text += data


def test_html_spans_add_up_and_numbers_are_plain(tmp_path):
    table = table_of(tmp_path, replicated, group_by="margin")
    reader = Reader()
    reader.feed(str(to_html(table)))
    across = 1 + 1 + sum(1 + c.has_delta for c in table.columns) + 1
    over, under, *rows = reader.rows
    assert sum(columns for _, columns, _ in over) == across
    assert len(under) == across - 3
    assert all(sum(columns for _, columns, _ in row) == across for row in rows)
    assert [len(row) for row in rows if row[0][0] == "th"] == [1, 1]
    numbers = [a["data-value"] for row in rows for tag, _, a in row if tag == "td" and a["class"] == "number"]
    assert all(value == "" or float(value) is not None for value in numbers)
    assert f"{table.rows[0].entries[0].mean:.10g}" in numbers
    assert "sortable" in str(to_html(table))


def hostile(root):
    store = fabricate(root, **{**SMALL, "protocols": ("lfw",)}, plan={"title": HOSTILE, "notes": [HOSTILE]})
    plan = store.plan("made_up")
    for run in plan["runs"]:
        run["axes"]["margin"] = HOSTILE
    report = {**plan["report"], "headings": {"lfw": HOSTILE}}
    store.write_plan("made_up", {**plan, "report": report})
    return build_table(report_data(store, "made_up"))


def test_hostile_names_are_text_in_every_format(tmp_path):
    table = hostile(tmp_path)
    reader = Reader()
    reader.feed(str(to_html(table)))
    assert "script" not in reader.tags
    assert HOSTILE in reader.text
    assert "<script>" not in to_markdown(table)
    assert r"\[\*\]\<script\>" in to_markdown(table)
    assert HOSTILE in next(csv.DictReader(io.StringIO(to_csv(table))))["margin"]


def bare(latex):
    """The text without escaped characters."""
    return re.sub(r"\\[\\&%$#_{}]", "", latex)


def test_latex_is_whole_whatever_names_say(tmp_path):
    latex = to_latex(hostile(tmp_path))
    depth = 0
    for character in bare(latex):
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    assert bare(latex).count("$") % 2 == 0
    assert r"\input" not in latex
    assert r"\texttt{U+4E2D}" in latex
    (spec,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", latex)
    body = latex.split(r"\toprule")[1].split(r"\bottomrule")[0]
    for line in (line for line in body.splitlines() if line.endswith(r"\\")):
        spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
        assert bare(line).count("&") + 1 - len(spans) + sum(spans) == len(spec)
        assert not line.startswith(("[", "*"))
    assert re.findall(r"\\cmidrule\(lr\)\{(\d+)-(\d+)\}", latex) == [("4", "7")]


@pytest.mark.parametrize(
    ("text", "escaped"), [("[x]", "{[}x{]}"), ("é ß", "é ß"), ("đ", r"\texttt{U+0111}"), ("a\x07", r"a\texttt{U+0007}")]
)
def test_what_latex_fonts_lack_is_told_by_its_code(text, escaped):
    assert latex_escape(text) == escaped


@pytest.mark.skipif(not (shutil.which("tectonic") or shutil.which("pdflatex")), reason="no TeX on the path")
def test_latex_compiles(tmp_path):
    page = (
        "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n"
        + to_latex(hostile(tmp_path / "store"))
        + "\\end{document}\n"
    )
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    tex = ["tectonic"] if shutil.which("tectonic") else ["pdflatex", "-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run([*tex, "page.tex"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_every_effect_of_the_table_stands_in_it(tmp_path):
    store = replicated(tmp_path, **SMALL, protocols=("lfw", "ytf"), seeds=(0, 1))
    data = report_data(store, "made_up")
    table = build_table(data)
    shown = {
        (row.cell, column.protocol, column.metric): entry.delta
        for row in table.rows
        for column, entry in zip(table.columns, row.entries, strict=True)
        if entry.delta is not None
    }
    assert shown == {(e.cell, e.protocol, e.metric): e.effect for e in all_effects(data)}
