"""The margins' pages: complete, as the code is now, and drawn from the real head."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from bench.catalog import MARGINS, Option
from bench.report.margin_pages import situation
from bench.report.margin_pages.__main__ import BLOCK, main, with_table, write_pages
from bench.report.margin_pages.text import index, own_margins, page
from tests.third_party import ROOT, installed_example, python

PAGES = ROOT / "docs" / "margins"
AGAIN = "stale: run `python -m bench.report.margin_pages docs/margins`"
each_own_margin = pytest.mark.parametrize("spec", own_margins(), ids=lambda spec: spec.name)


@each_own_margin
def test_a_page_says_what_the_code_says_now(spec):
    assert (PAGES / f"{spec.name}.md").read_text(encoding="utf-8") == page(spec), AGAIN


@each_own_margin
def test_a_page_has_a_picture_that_is_small_and_wide_enough(spec):
    file = PAGES / f"{spec.name}.png"
    assert file.stat().st_size < 80_000
    with Image.open(file) as picture:
        assert picture.size[0] >= 1000
        assert len(np.unique(np.asarray(picture.convert("L")))) > 20


def test_there_is_a_page_for_each_margin_and_no_other():
    names = {spec.name for spec in own_margins()}
    assert {p.name for p in PAGES.iterdir()} == {f"{n}{s}" for n in names for s in (".md", ".png")} | {"README.md"}


def test_the_lists_of_margins_are_those_of_the_registry():
    assert (PAGES / "README.md").read_text(encoding="utf-8") == index(own_margins()), AGAIN
    losses = (ROOT / "docs" / "losses.md").read_text(encoding="utf-8")
    assert with_table(losses) == losses, AGAIN
    assert len(BLOCK.findall(losses)) == 1


def test_writing_replaces_the_marked_table_alone(tmp_path, monkeypatch):
    spec = MARGINS.get("normface")
    monkeypatch.setattr("bench.report.margin_pages.__main__.own_margins", lambda: [spec])
    losses = tmp_path / "losses.md"
    losses.write_text("before\n<!-- margins -->\nold\nold\n<!-- margins:end -->\nafter\n", encoding="utf-8")
    write_pages(tmp_path / "margins")
    lines = losses.read_text(encoding="utf-8").splitlines()
    assert (lines[:2], lines[-2:]) == (["before", "<!-- margins -->"], ["<!-- margins:end -->", "after"])
    assert lines[4].startswith("| [`normface`](margins/normface.md) | ")
    assert len(lines) == 7
    assert {p.name for p in (tmp_path / "margins").iterdir()} == {"README.md", "normface.md", "normface.png"}


def test_a_page_of_another_packages_margin_is_written_where_its_name_is_given(tmp_path):
    program = (
        "from bench.report.margin_pages.__main__ import main, own_margins\nmain()\n"
        "assert 'li_arcface' not in [spec.name for spec in own_margins()]\n"
    )
    answer = python("-c", program, tmp_path / "pages", "li_arcface", path=(installed_example(tmp_path / "installed"),))
    assert answer.returncode == 0, answer.stderr
    assert {p.name for p in (tmp_path / "pages").iterdir()} == {"li_arcface.md", "li_arcface.png"}


def test_an_unknown_name_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["margin_pages", str(tmp_path), "arcfase"])
    with pytest.raises(SystemExit, match=r"^error: unknown margin 'arcfase'; did you mean 'arcface'\?.*$"):
        main()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", MARGINS.names())
def test_samples_lie_at_the_stated_angle_whatever_the_margin(name):
    head = situation.head_of(name)
    theta = torch.linspace(0.05, 3.1, 40, dtype=torch.float64)
    out = situation.look(head, theta, 0.0)
    torch.testing.assert_close(out.target_angle, theta, rtol=0, atol=1e-7)
    assert torch.isfinite(out.pull).all()


@pytest.mark.parametrize("name", MARGINS.names())
def test_the_curves_obey_the_isotropy_bound(name):
    head = situation.head_of(name)
    base, some, one = (situation.relative_pulls(head, strength) for strength in situation.STRENGTHS)
    assert all(found[-1] == 1 for found in (base, some, one))
    assert all((found.diff() >= 0).all() for found in (base, some, one))
    if situation.gate_of(MARGINS.get(name)) == "posterior" and not situation.depends_on_step(head):
        assert some[0] >= 0.1 - 1e-9
        assert one[0] > 1 - 1e-9


def test_pulls_are_those_of_arcface_by_hand():
    head = situation.head_of("arcface")
    theta, m, s = 0.5, 0.5, 64.0
    centres = head.centres.detach().numpy()
    draw = torch.randn(
        2000, 16, generator=torch.Generator().manual_seed(situation.SEED + 3), dtype=torch.float64
    ).numpy()
    across = draw - np.outer(draw @ centres[0], centres[0])
    x = math.cos(theta) * centres[0] + math.sin(theta) * across / np.linalg.norm(across, axis=1, keepdims=True)
    own, others = np.exp(s * math.cos(theta + m)), np.exp(s * (x @ centres[1:].T)).sum(axis=1)
    for strength in (0.0, 0.1):
        p = own / (own + others)
        pull = np.sort(s * math.sin(theta + m) * ((1 - p) + strength * p))
        found = situation.relative_pulls(head, strength)
        np.testing.assert_allclose(found, pull / pull.max(), rtol=1e-9)


def test_state_is_that_of_some_batches_and_draws_nothing_from_torchs_own_generator():
    before = torch.get_rng_state()
    situation.head_of.cache_clear()
    head = situation.head_of("curricularface")
    assert torch.equal(torch.get_rng_state(), before)
    mean = math.cos(0.7) * math.exp(-(0.2**2) / 2)
    assert abs(head.margin.state["t"] - mean) < 0.02
    kept = head.margin.state["t"].clone()
    situation.look(head, situation.directions(0.5), 0.0)
    assert torch.equal(head.margin.state["t"], kept)


@pytest.fixture
def registered(monkeypatch):
    """Registers margins for one test."""
    monkeypatch.setattr(MARGINS, "_specs", {name: MARGINS.get(name) for name in MARGINS.names()})
    return MARGINS.register


def test_every_trait_is_told(registered, tmp_path):
    def values(batch):
        """m by norm and draw."""
        draw = torch.rand(len(batch.norm), generator=batch.moment.generator("test"), dtype=torch.float64)
        return {"m": (batch.norm / 100 * draw).to(batch.norm.dtype)}

    def learned(*, classes):
        """One a class."""
        return {"bias": torch.zeros(classes)}

    def regulariser(batch):
        """Long ones."""
        return 1 / batch.norm

    options = (Option("s", 64.0, "scale", "none", above=0), Option("k", 2, "centres", minimum=1))

    @registered(
        "test_everything", summary="all | traits", source="arXiv:1234.56789, eq. 1", options=options, angular=True,
        logits="cosine", values=values, draws=True, learned=learned, regulariser=regulariser, subcentres="k",
    )  # fmt: skip
    def psi(theta, *, m):
        """cos θ − m of each."""
        return theta.cos() - m

    text = page(MARGINS.get("test_everything"))
    for line in (
        "all | traits. Source: [arXiv:1234.56789](https://arxiv.org/abs/1234.56789), eq. 1.",
        "ψ: cos θ − m of each.",
        "- of each sample: m by norm and draw.",
        "- learned values at the start: One a class.",
        "- regulariser: Long ones.",
        "- gradients: true",
        "- posterior: declared; gates that it admits: all",
        "- state and learned values: `bias` (C,), learned",
        "- pull of the base loss depends on the direction: yes",
        "- pull depends on ‖x‖: yes",
        "- ψ depends on the training step: yes",
        "- draws at random in training, from the stream of the run's seed and the step",
        "- centres a class: option `k`; the nearest counts",
        "- adds a regulariser to the loss",
        "| `k` | 2 |  | a whole number >= 1 | centres |  |",
    ):
        assert f"{line}\n" in text
    assert "as at step 10,000" in text.replace("\n", " ")
    write_pages(tmp_path, ["test_everything"])
    assert (tmp_path / "test_everything.png").stat().st_size < 80_000
    assert "all \\| traits" in index([MARGINS.get("test_everything")])


def test_a_sum_without_posterior_is_enhanced_uniformly_and_says_so(registered):
    def cost(logits, state):
        """c²"""
        return logits.square()

    def positive(psi, state):
        """(1 − ψ)²"""
        return (1 - psi).square()

    def prefactor():
        """2"""
        return 2.0

    registered(
        "test_sum", summary="a sum", source="none", angular=False, logits="cosine",
        cost=cost, positive=positive, prefactor=prefactor,
    )(lambda theta: theta.cos())  # fmt: skip
    text = page(MARGINS.get("test_sum"))
    assert "- posterior: none; gates that it admits: `uniform`\n" in text
    assert "- loss: a sum over classes, no softmax\n" in text
    assert "- pull of the base loss depends on the direction: no\n" in text
    assert "gate `uniform`" in text.replace("\n", " ")
    assert "straight-through" not in text
