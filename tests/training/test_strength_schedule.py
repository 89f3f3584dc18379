"""When the enhancing term acts: four shapes as functions of the step, in training, recorded, and over a resume."""

import itertools
import math

import pytest
import test_loop
from test_loop import CONFIG, bits, training

from bench.training.loop import StoppedError
from bench.training.optimise import strength_share

images = test_loop.images  # the fixture
STEPS, EPOCHS = 4, 5


def shares(**schedule):
    return [strength_share(schedule, step, STEPS, EPOCHS) for step in range(STEPS * EPOCHS)]


def test_constant_is_all_of_it_from_first_to_last():
    assert shares(name="constant") == [1.0] * 20


def test_linear_rises_by_equal_parts_and_stays():
    found = shares(name="linear", epochs=2.0)
    assert found[:8] == pytest.approx([k / 8 for k in range(1, 9)])
    assert found[7:] == [1.0] * 13


@pytest.mark.parametrize(("epochs", "full"), [(0.25, 0), (0.5, 1), (1.5, 5), (0.01, 0), (5.0, 19)])
def test_linear_takes_fractions_of_an_epoch(epochs, full):
    """``full``: the first step with all of it, the last one of the rise."""
    found = shares(name="linear", epochs=epochs)
    assert found.index(1.0) == full
    assert all(0 < share <= 1 for share in found)
    assert found == sorted(found)


def test_linear_longer_than_the_training_ends_below_all_of_it():
    assert shares(name="linear", epochs=10.0)[-1] == 0.5


@pytest.mark.parametrize(("first", "last"), [(0.0, 1.0), (1.0, 0.0), (0.25, 2.0)])
def test_cosine_goes_from_first_to_last_flat_at_both_ends(first, last):
    found = shares(name="cosine", first=first, last=last)
    assert (found[0], found[-1]) == pytest.approx((first, last), abs=1e-12)
    assert found == sorted(found, reverse=last < first)
    steps = [abs(b - a) for a, b in itertools.pairwise(found)]
    assert max(steps[0], steps[-1]) < steps[9] / 5
    for step, share in enumerate(found):
        assert share + found[19 - step] == pytest.approx(first + last)
        assert share == pytest.approx(first + (last - first) * math.sin(math.pi / 2 * step / 19) ** 2, abs=1e-12)


def test_cosine_of_a_single_step_is_its_first():
    assert strength_share({"name": "cosine", "first": 0.3, "last": 1.0}, 0, 1, 1) == 0.3


def test_after_epoch_is_none_of_it_then_all():
    assert shares(name="after_epoch", epoch=2) == [0.0] * 8 + [1.0] * 12
    assert shares(name="after_epoch", epoch=4) == [0.0] * 16 + [1.0] * 4


def test_an_unknown_shape_is_refused():
    with pytest.raises(ValueError, match="'lineer'"):
        shares(name="lineer")


def with_schedule(gate="spectral", **schedule):
    return {**CONFIG, "enhancement": {**CONFIG["enhancement"], "gate": {"name": gate}, "schedule": schedule}}


def history(images, folder, config):
    """The events of all epochs, and the bits of the weights after each."""
    events, weights = [], []

    def tell(event):
        if event["kind"] == "epoch":
            events.append(event)
            weights.append(bits(subject))

    subject = training(images, folder, config, tell=tell)
    subject.run()
    return events, weights


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"name": "constant"}, [0.1, 0.1, 0.1]),
        ({"name": "linear", "epochs": 2.0}, [0.1 * 2.5 / 8, 0.1 * 6.5 / 8, 0.1]),
        ({"name": "after_epoch", "epoch": 1}, [0.0, 0.1, 0.1]),
        ({"name": "cosine", "first": 0.5, "last": 0.5}, [0.05, 0.05, 0.05]),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_every_epoch_records_its_mean_strength(images, tmp_path, schedule, expected):
    events, _ = history(images, tmp_path, with_schedule(**schedule))
    assert [event["strength"] for event in events] == pytest.approx(expected, rel=1e-6)
    assert [event["term"] == 0 for event in events] == [strength == 0 for strength in expected]


def test_without_enhancement_the_strength_is_none_at_all(images, tmp_path):
    events, _ = history(images, tmp_path, {**CONFIG, "enhancement": None})
    assert [(event["strength"], event["term"]) for event in events] == [(0.0, None)] * 3


def backbone_and_centres(images, folder, config):
    """Bits after each epoch of what a base run has as well."""
    found = []

    def tell(event):
        if event["kind"] == "epoch":
            states = {**subject.backbone.state_dict(), "centres": subject.head.centres.detach()}
            found.append({name: tensor.numpy(force=True).tobytes() for name, tensor in states.items()})

    subject = training(images, folder, config, tell=tell)
    subject.run()
    return found


def test_before_after_epoch_the_weights_are_the_base_runs_bit_for_bit(images, tmp_path):
    base = backbone_and_centres(images, tmp_path / "a", {**CONFIG, "enhancement": None})
    late = backbone_and_centres(images, tmp_path / "b", with_schedule(name="after_epoch", epoch=1))
    assert late[0] == base[0]
    assert late[1] != base[1]
    at_once = backbone_and_centres(images, tmp_path / "c", with_schedule(name="constant"))
    assert at_once[0] != base[0]


def test_a_gates_state_does_not_move_before_the_term_acts(images, tmp_path):
    config = with_schedule(name="after_epoch", epoch=2)
    first = training(images, tmp_path / "first", config).head.term.state
    found = []

    def tell(event):
        if event["kind"] == "epoch":
            found.append({name: value.clone() for name, value in subject.head.term.state.items()})

    subject = training(images, tmp_path / "run", config, tell=tell)
    subject.run()
    still = [all(value.equal(first[name]) for name, value in state.items()) for state in found]
    assert still == [True, True, False]


@pytest.mark.parametrize(
    "schedule",
    [
        {"name": "linear", "epochs": 1.5},
        {"name": "cosine", "first": 0.0, "last": 1.0},
        {"name": "after_epoch", "epoch": 1},
    ],
    ids=lambda schedule: schedule["name"],
)
def test_a_run_stopped_at_any_step_and_resumed_has_the_same_bits_and_strengths(images, tmp_path, schedule):
    config = with_schedule(**schedule)
    events, weights = history(images, tmp_path / "a", config)
    for stop_after in (3, 4, 5):  # before, on, and after the fourth step, with which an epoch ends
        folder, steps = tmp_path / f"b{stop_after}", iter(range(100))
        with pytest.raises(StoppedError):
            training(images, folder, config, stop=lambda n=stop_after, s=steps: next(s) + 1 >= n).run()
        resumed, later = history(images, folder, config)
        assert later[-1] == weights[-1]
        assert [e["strength"] for e in resumed] == [e["strength"] for e in events][-len(resumed) :]
