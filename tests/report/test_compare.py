"""Rows that are known to differ, and rows that are known not to, compared by the names of suites, cells and runs."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.errors import BenchError, UnknownNameError
from bench.evaluation.comparison import compare_rows
from bench.evaluation.paired import PairedScores
from bench.records import digest
from bench.report.compare import compare
from bench.report.people import People, people_bytes
from bench.report.sides import side_of
from bench.store import Store

DIGEST = "ab" * 32
PAIRS = 400
DRAW = np.random.default_rng(3)
FIRST = DRAW.integers(60, size=PAIRS)
PEOPLE = np.stack([FIRST, (FIRST + DRAW.integers(1, 60, PAIRS)) % 60], axis=1)
PEOPLE[: PAIRS // 2, 1] = FIRST[: PAIRS // 2]
SAME = PEOPLE[:, 0] == PEOPLE[:, 1]
FOLDS = np.arange(PAIRS) % 10
SHARED = DRAW.normal(0, 0.7, PAIRS)


def scores(margin, strength, seed):
    lift = 1.5 * (strength == "0.1")  # the strength does something, the margin nothing
    noise = np.random.default_rng([int(digest(strength)[:4], 16), seed]).normal(0, 0.7, PAIRS)
    own = np.random.default_rng([int(digest(margin)[:4], 16), seed]).normal(0, 0.2, PAIRS)
    return (SHARED + noise + own + SAME * (1.2 + lift)).astype(np.float32)


def write_suite(store, name, strengths=("0", "0.1"), margins=("arcface", "cosface"), *, protocol=DIGEST, flip=True):
    runs = []
    for margin in margins:
        for strength in strengths:
            for seed in (0, 1, 2):
                config = {"margin": {"name": margin}, "strength": strength, "seed": seed, "train": {"digest": "feed"}}
                config |= {"backbone": {"name": "small_cnn"}, "suite": name}
                run = digest(config)
                cell = digest([name, margin, strength])
                runs.append({
                    "run": run, "seed": seed, "cell": cell, "baseline": cell, "processes": 1, "config": config,
                    "axes": {"margin": margin, "enhancement.strength": strength},
                    "protocols": {"lfw": protocol}, "options": {"flip": flip, "bootstrap": len(name)},
                    "evaluations": {"lfw": digest([run, "lfw"])},
                })  # fmt: skip
                arrays = {"scores": scores(margin, strength, seed), "same": SAME.astype(np.uint8), "fold": FOLDS}
                record = {"run": run, "protocol": "lfw", "metrics": {"isotropy": 0.5 + 0.1 * seed * (strength != "0")}}
                store.write_evaluation(run, digest([run, "lfw"]), record, arrays)
                store.write_result(run, {"run": run, "config": config, "metrics": {}, "execution_class": {"a": 1}})
    plan = {"suite": name, "title": name, "file": f"{name}.yaml", "digest": "0", "axes": list(runs[0]["axes"])}
    store.write_plan(name, {**plan, "runs": runs})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("compare"))
    store.write_people(DIGEST, people_bytes(People(PEOPLE, True)))
    write_suite(store, "weak", ("0", "0.01"))
    write_suite(store, "both", ("0", "0.1"))
    write_suite(store, "other_data", protocol="cd" * 32)
    write_suite(store, "no_flip", flip=False)
    return store


def lines(store, a, b, **asked):
    return compare(store, side_of(store, a), side_of(store, b), **asked)


def test_cells_by_their_axes_are_compared_by_seeds_and_people(store):
    found = lines(store, "both:strength=0.1,margin=arcface", "both:λ=0,margin=arcface")
    (line,) = found.lines
    a, b = ([scores("arcface", strength, seed) for seed in (0, 1, 2)] for strength in ("0.1", "0"))
    plain = compare_rows(PairedScores(np.stack(a), np.stack(b), SAME, PEOPLE, FOLDS))
    assert (line.found.effect, line.found.low, line.found.p) == (plain.effect, plain.low, plain.p)
    assert line.found.p_holm == line.found.p
    assert line.seeds == (0, 1, 2)
    assert line.found.low > 0
    assert "points higher" in line.words
    assert "a difference is shown, A is better" in line.words


def test_where_there_is_no_difference_none_is_shown(store):
    found = lines(store, "both:margin=arcface", "both:margin=cosface")
    assert [(line.a, line.b) for line in found.lines] == [
        ("both:margin=arcface [arcface, 0]", "both:margin=cosface [cosface, 0]"),
        ("both:margin=arcface [arcface, 0.1]", "both:margin=cosface [cosface, 0.1]"),
    ]
    for line in found.lines:
        assert line.found.low < 0 < line.found.high
        assert "no difference is shown" in line.words
    assert max(line.found.p_holm - line.found.p for line in found.lines) > 0


def test_suites_are_matched_by_axes_and_what_is_left_is_told(store):
    found = lines(store, "both", "weak", metrics=["accuracy", "auc"])
    assert [(line.a, line.metric) for line in found.lines] == [
        ("both [arcface, 0]", "accuracy"), ("both [arcface, 0]", "auc"),
        ("both [cosface, 0]", "accuracy"), ("both [cosface, 0]", "auc"),
    ]  # fmt: skip
    assert {line.found.effect for line in found.lines} == {0.0}
    assert all("A and B is the same" in line.words for line in found.lines)
    assert found.unmatched == (
        "both has arcface, 0.1, weak has not", "both has cosface, 0.1, weak has not",
        "weak has arcface, 0.01, both has not", "weak has cosface, 0.01, both has not",
    )  # fmt: skip


def test_two_runs_hold_for_these_networks_only(store):
    first, second = (cell for cell in side_of(store, "both:margin=arcface").cells)
    a, b = second.runs[1]["run"], first.runs[0]["run"]
    (line,) = lines(store, a[:10], b).lines
    rows = PairedScores(scores("arcface", "0.1", 1), scores("arcface", "0", 0), SAME, PEOPLE, FOLDS)
    assert line.found.effect == compare_rows(rows).effect
    assert "one seed: holds for these two networks only" in line.found.method
    assert line.words.endswith("Holds for these two networks only.")


def test_a_metric_that_no_pair_has_is_compared_over_seeds(store):
    (line,) = lines(
        store, "both:strength=0.1,margin=arcface", "both:strength=0,margin=arcface", metrics=["isotropy"]
    ).lines
    assert line.found.method == "paired t over seeds"
    assert (line.found.effect, line.found.unit) == (pytest.approx(0.1), "")
    with pytest.raises(BenchError, match="unknown measured metric 'isotropi'; did you mean 'isotropy'"):
        lines(store, "both", "weak", metrics=["isotropi"])


def test_what_was_tested_otherwise_is_refused(store):
    with pytest.raises(BenchError, match=r"lfw is not one test: abab.* cannot be compared pair by pair"):
        lines(store, "both", "other_data")
    with pytest.raises(BenchError, match=r"tested otherwise: evaluation\.flip is True and False"):
        lines(store, "both", "no_flip")
    assert lines(store, "both", "weak").lines  # bootstrap differs, which changes no score


def test_words_that_mean_nothing_or_several_things_are_refused(store):
    with pytest.raises(UnknownNameError, match="did you mean both"):
        side_of(store, "bth")
    with pytest.raises(UnknownNameError, match="unknown value of margin 'arcfac'; did you mean 'arcface'"):
        side_of(store, "both:margin=arcfac")
    with pytest.raises(UnknownNameError, match="unknown axis 'marign'"):
        side_of(store, "both:marign=arcface")
    with pytest.raises(BenchError, match="both is a suite and both:margin=arcface is cells"):
        lines(store, "both", "both:margin=arcface")
    with pytest.raises(BenchError, match="unknown protocol of both 'lwf'"):
        lines(store, "both", "weak", protocols=["lwf"])


def test_the_command_prints_words_or_json(store):
    words = ["compare", "both:strength=0.1", "both:strength=0", "--results", str(store.root)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert " ".join(done.output.split()).count("a difference is shown, A is better") == 2
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert [line["found"]["effect"] > 5 for line in found["lines"]] == [True, True]
    assert found["lines"][0]["found"]["n"]["people"] == 60


def test_other_comparisons_can_be_put_in(store):
    asked = []

    def mine(store, a, b, protocol, metric):
        from bench.report.compare import from_scores

        asked.append((list(a), list(b), protocol, metric))
        return from_scores(store, a, b, protocol, metric)

    lines(store, "both:strength=0.1,margin=arcface", "both:strength=0,margin=arcface", using=mine)
    assert asked == [([0, 1, 2], [0, 1, 2], "lfw", "accuracy")]
