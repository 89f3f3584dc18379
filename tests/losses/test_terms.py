"""Every registered term, through the real head: against its slow twin, and what must hold of any of them."""

from __future__ import annotations

import itertools
import math
import re
import sys
from pathlib import Path

import pytest
import torch
from loss_heads import enhancement, generator, label_of, margin
from slow_terms import slow_term
from slow_terms.base import central_differences
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from bench.catalog import TERMS
from bench.errors import BenchError
from bench.losses import pairs
from bench.losses.head import MarginHead
from bench.losses.types import Moment, TermInput

labels = torch.tensor([0, 2, 1, 2, 3, 2])


def term(name, weight=None, **given):
    options, mistakes = TERMS.get(name).resolve(given)
    assert not mistakes
    return {"name": name, "weight": weight or TERMS.get(name).traits["weight"], **options}


def values_of(option):
    """All that an option may be, where that is a short list."""
    if option.type is bool:
        return (False, True)
    if option.type is int and option.minimum is not None and option.maximum is not None:
        return range(int(option.minimum), int(option.maximum) + 1)
    return option.choices


def terms_and_choices():
    blocks = []
    for spec in TERMS:
        axes = {option.name: found for option in spec.options if (found := values_of(option))}
        blocks += [
            term(spec.name, **dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())
        ]
    return blocks


def named(block):
    return "-".join(str(v) for k, v in block.items() if k not in ("weight", "every", "sample", "alpha"))


def having(option):
    return [b for b in terms_and_choices() if option in b]


each_term = pytest.mark.parametrize("block", terms_and_choices(), ids=named)
each_default = pytest.mark.parametrize("block", [term(name) for name in TERMS.names()], ids=named)
each_with_every = pytest.mark.parametrize("block", having("every"), ids=named)
each_with_sample = pytest.mark.parametrize("block", having("sample"), ids=named)
between = [spec.name for spec in TERMS if spec.traits["place"] == "between"]


def point(classes=5, seed=3):
    W = torch.randn(classes, 4, generator=generator(seed), dtype=torch.float64)
    X = torch.randn(len(labels), 4, generator=generator(seed + 1), dtype=torch.float64) * 2
    return X, W


def head(*terms, centres, of=None, term=None, dtype=torch.float64):
    made = MarginHead(
        of or margin("arcface"), term, *centres.shape, terms=terms, generator=generator(0), stream=generator(1)
    ).to(dtype)
    with torch.no_grad():
        made.centres.copy_(centres)
        for added in made.terms:
            for i, buffer in enumerate(added.buffers()):
                buffer.copy_(torch.randn(buffer.shape, generator=generator(9 + i), dtype=torch.float64))
    return made


def stepped(real, x, y=labels, *, autocast=False, **more):
    """The output, and the gradients in x and in the centres."""
    probe = x.clone().requires_grad_()
    real.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        out = real(probe, y, **more)
    out.loss.backward()
    return out, probe.grad, real.centres.grad.clone()


def added(block, X, W, y=labels, **more):
    """What a term alone adds to the loss and to the gradients in x and in the centres."""
    out, x, w = stepped(head(block, centres=W), X, y, **more)
    _, base_x, base_w = stepped(head(centres=W), X, y, **more)
    return out.terms[block["name"]], x - base_x, w - base_w


@each_term
def test_value_and_gradient_are_those_of_the_slow_twin(block):
    X, W = point()
    real = head(block, centres=W)
    state = {name: buffer.tolist() for name, buffer in real.terms[0].state.items()}
    twin = slow_term(block["name"])(block, labels.tolist(), state)
    slow_X, slow_W, weight = X.tolist(), W.tolist(), block["weight"]
    value, to_x, to_w = added(block, X, W)
    assert_close(value.item(), weight * twin.value(slow_X, slow_W), rtol=1e-12, atol=1e-13)
    for found, table in ((to_x, slow_X), (to_w, slow_W)):
        slow = torch.tensor(central_differences(lambda: twin.value(slow_X, slow_W), table), dtype=torch.float64)
        assert_close(found, weight * slow, rtol=1e-7, atol=1e-8)
    real(X, labels)
    after = twin.after(slow_X)
    assert set(after) == set(real.terms[0].state)
    for name, slow in after.items():
        assert_close(real.terms[0].state[name], torch.tensor(slow, dtype=torch.float64), rtol=1e-13, atol=1e-13)


def test_between_terms_move_centres_only_and_within_terms_leave_absent_classes_alone():
    X, W = point()
    for spec in TERMS:
        value, to_x, to_w = added(term(spec.name), X, W)
        assert value != 0
        if spec.traits["place"] == "between":
            assert to_x.abs().max() < 1e-12
            assert (to_w.norm(dim=1) > 1e-6).all() or spec.name == "regularface"
        else:
            assert to_x.abs().min() > 1e-9
            assert to_w[4].abs().max() == 0


@each_default
def test_the_weight_scales_value_and_gradient(block):
    X, W = point()
    one, three = (added({**block, "weight": w}, X, W) for w in (0.7, 2.1))
    for a, b in zip(one, three, strict=True):
        assert_close(3 * a, b, rtol=1e-9, atol=1e-12)


@each_default
def test_the_order_of_the_batch_does_not_matter(block):
    X, W = point()
    order = torch.tensor([3, 0, 5, 4, 1, 2])
    one, other = head(block, centres=W), head(block, centres=W)
    assert_close(one(X, labels).loss, other(X[order], labels[order]).loss, rtol=1e-13, atol=0)
    for a, b in zip(one.terms[0].buffers(), other.terms[0].buffers(), strict=True):
        assert_close(a, b, rtol=1e-13, atol=1e-14)


@each_term
@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "bf16"])
def test_finite_at_identical_and_opposite_centres_and_a_zero_embedding(block, autocast):
    W = torch.randn(6, 512, generator=generator(5))
    W[1], W[3], W[4] = W[0], -W[2], 3 * W[0]
    x = torch.cat([W, torch.zeros(1, 512), 1e4 * W[:1], 1e-4 * W[:1]])
    y = torch.tensor([0, 1, 2, 3, 4, 5, 0, 0, 0])
    x = x.bfloat16() if autocast else x
    for classes in (6, 2):
        real = head(block, centres=W[:classes], dtype=torch.float32)
        for _ in range(2):
            out, to_x, to_w = stepped(real, x, y % classes, autocast=autocast)
            value = out.terms[block["name"]]
            assert value.dtype == out.loss.dtype == torch.float32
            assert all(torch.isfinite(found).all() for found in (value, out.loss, to_x, to_w, *real.buffers()))


@pytest.mark.parametrize("block", [b for b in terms_and_choices() if b["name"] in between], ids=named)
@pytest.mark.parametrize("factor", [1.0, 0.7, -1.0])
def test_two_coincident_or_opposite_centres_feel_no_direction(block, factor):
    """Rounding would make one up, and 1/distance would blow it up: at 2,048 dimensions cosines end 5 epsilons off."""
    if block["name"] == "regularface":
        return  # no distance is divided by
    for seed in range(30):
        W = torch.randn(1, 2048, generator=generator(seed))
        real = head(block, centres=torch.cat([W, factor * W]), dtype=torch.float32)
        batch = TermInput(W, W, torch.ones(2), labels[:2], torch.tensor([0, 1]), real.centres, {}, Moment(0, 0))
        (gradient,) = torch.autograd.grad(real.terms[0](batch), real.centres)
        assert not gradient.any()


@pytest.mark.parametrize("block", [b for b in terms_and_choices() if b["name"] in between], ids=named)
def test_a_single_class_has_no_pair(block):
    X, W = point(classes=1)
    value, _, to_w = added(block, X, W, 0 * labels)
    assert value == 0
    assert not to_w.any()


@each_default
def test_autocast_changes_no_bit(block):
    X, W = (tensor.float() for tensor in point())
    found = []
    for autocast in (False, True):
        found.append(stepped(head(block, centres=W, dtype=torch.float32), X, autocast=autocast))
    (one, *gradients), (other, *same) = found
    assert torch.equal(one.loss, other.loss)
    assert all(torch.equal(a, b) for a, b in zip(gradients, same, strict=True))


@each_with_every
def test_every_nth_step_keeps_the_mean_weight(block):
    X, W = point()
    always = added(block, X, W)
    block = {**block, "every": 3}
    steps = [added(block, X, W, step=step) for step in range(6)]
    assert [bool(value != 0) for value, _, _ in steps] == [True, False, False] * 2
    for i, whole in enumerate(always):
        assert_close(sum(step[i] for step in steps) / 6, whole, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="call the head with step="):
        head(block, centres=W)(X, labels)


@each_with_sample
def test_a_sample_of_all_classes_is_all_of_them_and_needs_no_step(block):
    X, W = point()
    whole = added(block, X, W)
    for sample in (5, 99):
        assert all(torch.equal(a, b) for a, b in zip(added({**block, "sample": sample}, X, W), whole, strict=True))
    with pytest.raises(ValueError, match="call the head with step="):
        head({**block, "sample": 4}, centres=W)(X, labels)


@pytest.mark.parametrize("block", [term(s.name) for s in TERMS if "sample" in s.defaults], ids=named)
def test_samples_are_unbiased(block, monkeypatch):
    """Every subset is drawn about as often as any other, and their mean is the term: value and gradient."""
    module, drawn = sys.modules[TERMS.get(block["name"]).function.__module__], []
    draw = module.drawn

    def noted(*given):
        rows = draw(*given)
        drawn.append(tuple(sorted(rows.tolist())))
        return rows

    X, W = point()
    whole, _, to_w = added(block, X, W)
    monkeypatch.setattr(module, "drawn", noted)
    block, steps = {**block, "sample": 2}, 500
    real = head(block, centres=W).eval()
    with torch.no_grad():
        values = [real(X, labels, step=step).terms[block["name"]].item() for step in range(steps)]
    twin = slow_term(block["name"])(block, labels.tolist(), {})
    subsets = list(itertools.combinations(range(5), 2))
    expected = {rows: block["weight"] * twin.value(X.tolist(), W.tolist(), rows) for rows in subsets}
    assert_close(values, [expected[rows] for rows in drawn], rtol=1e-12, atol=1e-12)
    each = steps / len(subsets)
    assert sum((drawn.count(rows) - each) ** 2 / each for rows in subsets) < 27.9  # χ² of 9 degrees, p = .001
    firsts = [added(block, X, W, step=drawn.index(rows)) for rows in subsets]
    assert_close(sum(value for value, _, _ in firsts) / 10, whole, rtol=1e-12, atol=1e-12)
    assert_close(sum(gradient for _, _, gradient in firsts) / 10, to_w, rtol=1e-9, atol=1e-12)


@each_with_sample
def test_draws_follow_from_seed_and_step_alone(block):
    X, W = point()
    real = head({**block, "sample": 2}, centres=W)
    before = torch.get_rng_state()
    values = [real(X, labels, step=step).terms[block["name"]] for step in (4, 7, 4)]
    assert torch.equal(torch.get_rng_state(), before)
    assert values[0] == values[2]
    assert values[0] != values[1]


@each_term
def test_small_tiles_equal_one(block, monkeypatch):
    X, W = point()
    for more in ({}, {"sample": 3}) if "sample" in block else ({},):
        whole = added({**block, **more}, X, W, step=2)
        with monkeypatch.context() as patch:
            patch.setattr(pairs, "SIDE", 2)
            tiled = added({**block, **more}, X, W, step=2)
        for a, b in zip(tiled, whole, strict=True):
            assert_close(a, b, rtol=1e-12, atol=1e-12)


class Largest(TorchDispatchMode):
    """The number of entries of the largest tensor that anything makes."""

    entries = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, torch.Tensor):
                self.entries = max(self.entries, tensor.numel())
        return made


@pytest.mark.parametrize("block", [term(name) for name in between], ids=named)
def test_the_matrix_of_all_pairs_is_never_whole(block, monkeypatch):
    monkeypatch.setattr(pairs, "SIDE", 8)
    X, W = point(classes=80)
    with Largest() as seen:
        stepped(head(block, centres=W), X)
    assert seen.entries <= max(80 * len(labels), W.numel())


def test_several_tiles_of_the_usual_size_keep_float32s_digits():
    W = torch.randn(pairs.SIDE + 500, 16, generator=generator(2))
    for energy in (lambda angle: angle**-2, lambda angle: angle):
        found = []
        for dtype in (torch.float32, torch.float64):
            probe = W.to(dtype).requires_grad_()
            value = pairs.mean_over_pairs(probe, energy)
            (gradient,) = torch.autograd.grad(value, probe)
            found.append((value.double(), gradient.double()))
        (value, gradient), (exact, exact_gradient) = found
        assert_close(value, exact, rtol=1e-5, atol=0)
        assert (gradient - exact_gradient).norm() < 1e-4 * exact_gradient.norm()


def test_nearest_others_over_tiles_are_those_of_the_whole_matrix(monkeypatch):
    monkeypatch.setattr(pairs, "SIDE", 7)
    W = torch.randn(30, 6, generator=generator(2))
    cosines = torch.nn.functional.normalize(W) @ torch.nn.functional.normalize(W).T
    expected = (cosines - 9 * torch.eye(30)).argmax(dim=1)
    assert torch.equal(pairs.nearest_others(W), expected)
    rows = torch.tensor([29, 3, 3, 8])
    assert torch.equal(pairs.nearest_others(W, rows), expected[rows])
    assert torch.equal(pairs.nearest_others(torch.cat([W[:1], -W[:1]])), torch.tensor([1, 0]))


all_terms = [term(name) for name in TERMS.names()]


@pytest.mark.parametrize("of", [margin("arcface"), margin("softmax"), margin("curricularface")], ids=label_of)
@pytest.mark.parametrize("gate", [None, "posterior", "spectral"])
def test_terms_add_up_and_change_neither_base_nor_enhancement_nor_pull(of, gate):
    X, W = point()
    enhanced = None if gate is None else enhancement(0.3, gate)
    out, _, to_w = stepped(head(*all_terms, centres=W, of=of, term=enhanced), X, step=3)
    plain, _, base_w = stepped(head(centres=W, of=of, term=enhanced), X, step=3)
    for name in ("base", "term", "pull", "target_angle", "posterior"):
        one, other = getattr(out, name), getattr(plain, name)
        assert one is other is None or torch.equal(one, other)
    assert list(out.terms) == TERMS.names()
    assert plain.terms == {}
    assert_close(out.loss, plain.loss + sum(out.terms.values()), rtol=1e-13, atol=0)
    alone = sum(added(block, X, W)[2] for block in all_terms)
    assert_close(to_w - base_w, alone, rtol=1e-9, atol=1e-11)


def test_state_survives_saving_and_resumes_with_the_same_bits():
    batches = [point(seed=s)[0].float() for s in range(4)]
    W = point()[1].float()

    def trained(real, some):
        return [real(x, labels, step=i).loss for i, x in some]

    def made():
        return head(*all_terms, centres=W, dtype=torch.float32)

    whole = made()
    losses = trained(whole, enumerate(batches))
    first, second = made(), made()
    trained(first, enumerate(batches[:2]))
    second.load_state_dict(first.state_dict())
    assert [*trained(second, list(enumerate(batches))[2:])] == losses[2:]
    for one, other in zip(whole.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert any(name.startswith("terms.") for name in whole.state_dict())
    assert losses[0] != whole(batches[0], labels, step=0).loss


@each_default
def test_state_follows_in_training_only(block):
    X, W = point()
    real = head(block, centres=W).eval()
    before = [buffer.clone() for buffer in real.buffers()]
    real(X, labels)
    assert all(torch.equal(a, b) for a, b in zip(before, real.buffers(), strict=True))
    real.train()(X, labels)
    assert not before or not all(torch.equal(a, b) for a, b in zip(before, real.buffers(), strict=True))


def test_running_means_settle_on_the_means_of_their_classes_and_the_rest_keep_every_bit():
    X, W = point()
    real = head(term("center_loss"), centres=W)
    first = real.terms[0].state["means"].clone()
    for _ in range(200):
        real(X, labels)
    means = real.terms[0].state["means"]
    assert_close(means[2], X[labels == 2].mean(dim=0), rtol=1e-9, atol=1e-9)
    assert torch.equal(means[4], first[4])


def test_a_new_center_loss_starts_at_the_origin():
    made = MarginHead(
        margin("arcface"), None, 3, 4, terms=[term("center_loss")], generator=generator(0), stream=generator(1)
    )
    assert made.state_dict()["terms.0.means"].shape == (3, 4)
    assert not made.state_dict()["terms.0.means"].any()


def test_intra_loss_is_the_enhancement_with_a_uniform_gate_and_the_angle():
    X, W = point()
    value, to_x, to_w = added(term("intra_loss"), X, W)
    same, same_x, same_w = stepped(head(centres=W, term=enhancement(1 / (math.pi * 64), "uniform", "angle")), X)
    _, base_x, base_w = stepped(head(centres=W), X)
    assert_close(value, same.term, rtol=1e-12, atol=0)
    assert_close(to_x, same_x - base_x, rtol=1e-9, atol=1e-12)
    assert_close(to_w, same_w - base_w, rtol=1e-9, atol=1e-12)


def test_mhe_without_a_half_space_spreads_two_rays_and_with_one_two_lines():
    """Of two centres at 120°, the first drives them to 180°, the second to 90°."""
    W = torch.tensor([[1.0, 0.0], [-0.5, math.sqrt(0.75)]], dtype=torch.float64)
    moves = []
    for half in (False, True):
        _, _, to_w = added(term("mhe", half_space=half), torch.ones(1, 2, dtype=torch.float64), W, torch.tensor([0]))
        moves.append(-to_w[0, 1].item())
    assert moves[0] < 0 < moves[1]


def test_blocks_that_do_not_fit_are_refused_by_name():
    W = point()[1]
    with pytest.raises(BenchError, match="did you mean 'regularface'"):
        head({"name": "regularfase", "weight": 1.0}, centres=W)
    with pytest.raises(BenchError, match="term 'mhe': power: must be a whole number >= 0 and <= 2, found 3"):
        head({"name": "mhe", "weight": 1.0, "power": 3}, centres=W)
    with pytest.raises(BenchError, match="did you mean 'sample'"):
        head({"name": "mhe", "weight": 1.0, "samples": 3}, centres=W)


PAGE = (Path(__file__).parents[2] / "docs" / "terms.md").read_text(encoding="utf-8")


def test_the_page_of_terms_has_every_term_with_its_weight_and_every_option():
    for spec in TERMS:
        rows = [line.split("|") for line in PAGE.splitlines() if line.startswith(f"| `{spec.name}` |")]
        assert [float(row[3]) for row in rows if len(row) == 6] == [spec.traits["weight"]]
        assert all(f"`{option.name}" in PAGE for option in spec.options)


def test_the_example_on_the_page_is_a_term(monkeypatch):
    TERMS.names()
    monkeypatch.setattr(TERMS, "_specs", dict(TERMS._specs))
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(example, {"__name__": "example"})
    X, W = point()
    value, to_x, to_w = added(term("ring", radius=3.0), X, W)
    length = X.norm(dim=1, keepdim=True)
    assert_close(value, 0.01 * (length - 3).square().mean() / 2, rtol=1e-12, atol=0)
    assert_close(to_x, 0.01 * (length - 3) / 6 * X / length, rtol=1e-9, atol=1e-12)
    assert not to_w.any()
