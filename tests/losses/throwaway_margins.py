"""Margins that no suite knows: one of every kind that the registry's contract allows, and others that break it.

``registered`` puts some of them into the registry for a while, as an entry point would.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from bench.catalog import MARGINS, Option, Spec
from bench.losses.margins._options import margin_gradient, scale


@contextmanager
def registered(*specs):
    MARGINS.names()  # all that is registered by itself comes first
    for spec in specs:
        assert spec.name not in MARGINS
        MARGINS._specs[spec.name] = spec
    try:
        yield
    finally:
        for spec in specs:
            del MARGINS._specs[spec.name]


def spec(name, function, *options, summary="a margin of a test", source="none", angular=False, **traits):
    """A spec with ``s`` = 16, unless it has another scale or none."""
    traits = {"logits": "cosine", **traits}
    if traits["logits"] == "cosine" and not {"cost", "scale"} & set(traits):
        options = (scale(16.0, "none"), *options)
    if angular:
        options = (*options, margin_gradient)
    return Spec("margin", name, summary, source, function, tuple(options), {"angular": angular, **traits})


def number(name, default, doc="a number", **more):
    return Option(name, default, doc, source="none", **more)


def plain(theta):
    """cos θ."""
    return theta.cos()


def lowered(theta, *, m):
    """cos θ − m."""
    return theta.cos() - m


def shifted(theta, *, shift):
    """cos θ less something of each sample."""
    return theta.cos() - shift


# A moving average that shifts the margin: start, update, values.


def start():
    return {"mean": torch.zeros(())}


def follow(batch, *, rate):
    batch.state["mean"].lerp_(batch.cosine.mean().to(batch.state["mean"].dtype), rate)


def from_mean(batch):
    return {"shift": (1 + batch.state["mean"]).expand(len(batch.labels))}


state = spec("t_state", shifted, number("rate", 0.1, above=0, maximum=1), start=start, update=follow, values=from_mean)


# A margin and a reward for length, both of the norm: values with a gradient, regulariser.


def from_norm(batch, *, reach):
    return {"shift": reach * torch.tanh(batch.norm / 20)}


def shortness(batch, *, weight):
    return weight / (1 + batch.norm)


length = spec(
    "t_length", shifted, number("reach", 0.3, minimum=0), number("weight", 0.5, minimum=0),
    values=from_norm, regulariser=shortness,
)  # fmt: skip


# Draws and annealing: both need the step.


def drawn(batch, *, spread):
    draw = torch.randn(len(batch.labels), generator=batch.moment.generator("margin"))
    return {"shift": 0.4 + (spread * draw).to(batch.cosine)}


def annealed(batch, *, pace):
    return {"shift": torch.full_like(batch.cosine, 1 / (1 + pace * batch.moment.number))}


draws = spec("t_draws", shifted, number("spread", 0.1, minimum=0), values=drawn, draws=True)
anneals = spec("t_anneals", shifted, number("pace", 0.1, above=0), values=annealed)


# Others' cosines reweighed; several centres; a scale that follows the training; a factor that is the norm.


def harder(cosines, target, *, w):
    return (w * cosines + w - 1).where(cosines > target.psi, cosines)


def bend(theta, *, m):
    """cos(θ + m), flat past π."""
    return (theta + m).clamp(max=torch.pi).cos()


def start_scale(*, classes):
    return {"now": torch.tensor(8.0 + classes)}


def follow_scale(batch, *, log_sum_exp, base):
    batch.state["now"].copy_(base + log_sum_exp(1.0).exp().mean())


angle = Option("m", 0.3, "margin on the angle", "radians", source="none", minimum=0, maximum=1.5)
negatives = spec("t_negatives", bend, angle, number("w", 1.2, minimum=1), negative=harder, angular=True)
subcentres = spec("t_subcentres", lowered, number("m", 0.2), number("k", 2, minimum=1), subcentres="k")
scales = spec("t_scales", plain, number("base", 5.0, above=0), start=start_scale, update=follow_scale, scale="now")
norms = spec("t_norms", lowered, number("m", 0.2), logits="norm")


# Sums over classes: one with a learned bias and a posterior, one with neither.


def bias(*, classes):
    return {"bias": torch.zeros(())}


def positive(psi, state, *, r):
    return torch.nn.functional.softplus(-(r * psi + state["bias"])) / r


def cost(logits, state, *, r):
    return torch.nn.functional.softplus(r * logits + state["bias"]) / r


def posterior(psi, state, *, r):
    return (r * psi + state["bias"]).sigmoid()


def one():
    return 1.0


def half_square(psi, state):
    return (1 - psi).square() / 2


def own_square(logits, state):
    return logits.square() / 2


binary = spec(
    "t_binary", lowered, number("m", 0.2), number("r", 4.0, above=0),
    learned=bias, cost=cost, positive=positive, posterior=posterior, logit=posterior, prefactor=one,
)  # fmt: skip
squares = spec("t_squares", plain, cost=own_square, positive=half_square, prefactor=one)

GOOD = [state, length, draws, anneals, negatives, subcentres, scales, norms, binary, squares]


# From here on each breaks what the name of the check says.


def rises(theta, *, m):
    """cos(θ + m), which rises past π."""
    return (theta + m).cos()


def half_detached(theta):
    """cos 2θ/2 + cos θ, the first without its gradient."""
    return (2 * theta.detach()).cos() / 2 + theta.cos()


def logarithm_of_norm(batch):
    """Not finite for an embedding without length."""
    return {"shift": (1e-3 * batch.norm.log()).clamp(max=0)}


def spread_of_norms(batch):
    """A sample's spread about the mean, which a lone sample has not."""
    norm = batch.norm.detach()
    return {"shift": ((norm - norm.mean()).square().sum() / (len(norm) - 1)).tanh().expand(len(norm))}


def place_in_batch(batch):
    return {"shift": torch.arange(len(batch.labels)).to(batch.cosine) / 100}


calls = {"count": 0}


def hidden_count(batch):
    calls["count"] += 1
    return {"shift": torch.full_like(batch.cosine, calls["count"] / 1000)}


def moving_values(batch):
    """Moves the state where it may only be read."""
    with torch.no_grad():
        batch.state["mean"].add_(0.1)
    return from_mean(batch)


def follow_centre(batch):
    batch.norm.detach().mul_(1)
    batch.state["bias"].data.add_(0.1)


def global_torch(batch):
    return {"shift": torch.rand(len(batch.labels)).to(batch.cosine)}


def global_numpy(batch):
    return {"shift": torch.full_like(batch.cosine, np.random.rand())}  # noqa: NPY002


def global_random(batch):
    return {"shift": torch.full_like(batch.cosine, random.random())}


def global_but_put_back(batch):
    """Reads the global stream and winds it back."""
    kept = torch.get_rng_state()
    draw = torch.rand(len(batch.labels)).to(batch.cosine)
    torch.set_rng_state(kept)
    return {"shift": draw}


def one_draw_for_all_steps(batch):
    draw = torch.randn(len(batch.labels), generator=torch.Generator().manual_seed(batch.moment.seed))
    return {"shift": draw.to(batch.cosine) / 10}


def asks_for_a_step(batch):
    return {"shift": torch.full_like(batch.cosine, 0.0 * batch.moment.number)}


def half_the_pull(*, r):
    return 0.5


def ignored(theta, *, m, unused):
    """cos θ − m; ``unused`` is named but not used."""
    return theta.cos() - m


def asks_too_much(theta, *, m, mm):
    """``mm`` is no option."""
    return theta.cos() - m


def takes_all(theta, **options):
    """cos θ less whatever there is."""
    return theta.cos() - options["m"]


def without_docstring(theta):
    return theta.cos()


with_m = number("m", 0.2)
degrees = Option("m", 28.6, "margin on the angle", "degrees", source="none", minimum=0, maximum=90)
one_gradient = replace(spec("b_angular", bend, angle), traits={"angular": True, "logits": "cosine"})
BROKEN = [
    ("losses_and_gradients_are_finite", spec("b_no_length", shifted, values=logarithm_of_norm)),
    ("losses_and_gradients_are_finite", spec("b_lone_sample", shifted, values=spread_of_norms)),
    ("the_target_logit_never_rises", spec("b_rises", rises, angle, angular=True)),
    ("the_gradient_is_that_of_its_convention", spec("b_secretly_angular", bend, angle)),
    ("the_gradient_is_that_of_its_convention", spec("b_detached", half_detached, angular=True)),
    ("row_order_does_not_matter", spec("b_order", shifted, values=place_in_batch)),
    ("straight_through_has_the_value_of_true", spec("b_one_gradient", plain, angular=True)),
    (
        "the_pull_with_the_posterior_gate_is_the_definitions",
        spec("b_prefactor", plain, number("r", 4.0), cost=cost, positive=positive, posterior=posterior,
             prefactor=half_the_pull, learned=bias),
    ),
    ("state_goes_on_with_the_same_bits_from_a_file", spec("b_hidden", shifted, values=hidden_count)),
    ("training_changes_declared_buffers_alone", spec("b_undeclared", shifted, start=start, values=moving_values)),
    (
        "training_changes_declared_buffers_alone",
        spec("b_moves_learned", plain, number("r", 4.0), cost=cost, positive=positive, prefactor=one, learned=bias,
             update=follow_centre),
    ),
    ("evaluation_changes_nothing", spec("b_evaluated", shifted, start=start, values=moving_values)),
    ("global_random_numbers_are_neither_read_nor_drawn", spec("b_torch", shifted, values=global_torch)),
    ("global_random_numbers_are_neither_read_nor_drawn", spec("b_numpy", shifted, values=global_numpy)),
    ("global_random_numbers_are_neither_read_nor_drawn", spec("b_random", shifted, values=global_random)),
    ("global_random_numbers_are_neither_read_nor_drawn", spec("b_put_back", shifted, values=global_but_put_back)),
    (
        "step_and_seed_decide_the_bits",
        spec("b_draws_in_secret", shifted, number("spread", 0.1, minimum=0), values=drawn),
    ),
    ("step_and_seed_decide_the_bits", spec("b_draws_once", shifted, values=one_draw_for_all_steps, draws=True)),
    ("step_and_seed_decide_the_bits", spec("b_needless_step", shifted, values=asks_for_a_step)),
    ("everything_is_stated", spec("b_no_summary", plain, summary="")),
    ("everything_is_stated", spec("b_no_source", plain, source="")),
    ("everything_is_stated", spec("b_no_docstring", without_docstring)),
    ("everything_is_stated", spec("b_no_doc", lowered, number("m", 0.2, doc=""))),
    ("everything_is_stated", spec("b_unsourced", lowered, Option("m", 0.2, "margin on the cosine"))),
    ("everything_is_stated", spec("b_degrees", rises, degrees, angular=True)),
    ("everything_is_stated", spec("b_no_unit", bend, number("m", 0.2, "margin on the angle"), angular=True)),
    ("traits_are_those_of_the_registry", spec("b_trait", plain, regularizer=shortness)),
    ("traits_are_those_of_the_registry", spec("b_half_a_sum", plain, cost=own_square)),
    ("traits_are_those_of_the_registry", spec("b_logits", plain, logits="cosines")),
    ("traits_are_those_of_the_registry", spec("b_draws_nothing", plain, draws=True)),
    ("traits_are_those_of_the_registry", spec("b_subcentres", lowered, with_m, subcentres="m")),
    ("traits_are_those_of_the_registry", spec("b_scale", plain, start=start, scale="s")),
    ("margin_gradient_goes_with_angular", spec("b_not_angular", lowered, with_m, margin_gradient)),
    ("margin_gradient_goes_with_angular", one_gradient),
    (
        "state_that_is_declared_is_used",
        spec("b_still", shifted, number("rate", 0.0), start=start, update=follow, values=from_mean),
    ),
    (
        "state_that_is_declared_is_used",
        spec("b_unpulled", plain, cost=own_square, positive=half_square, prefactor=one, learned=bias),
    ),
    ("functions_ask_for_what_exists", spec("b_asks", asks_too_much, with_m)),
    ("functions_ask_for_what_exists", spec("b_value_unread", plain, values=place_in_batch)),
    ("functions_ask_for_what_exists", spec("b_takes_all", takes_all, with_m)),
    ("functions_ask_for_what_exists", spec("b_arguments", plain, cost=half_square, positive=one, prefactor=one)),
    ("every_option_is_named", spec("b_unnamed", plain, with_m)),
    ("every_option_is_named", spec("b_s_of_norm", plain, scale(16.0, "none"), logits="norm")),
    ("every_option_changes_the_loss", spec("b_unused", ignored, with_m, number("unused", 1.0))),
]  # fmt: skip
