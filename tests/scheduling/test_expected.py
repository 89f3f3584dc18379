"""How long a run is expected to take, and which runs are alike in speed and memory."""

import copy

import pytest

from bench.scheduling.expected import Measured, cost_of, expected_seconds, measure, shape_of

CONFIG = {
    "backbone": {"name": "small_cnn", "embedding": 64, "width": 32, "depth": 1},
    "margin": {"name": "subcenter_arcface", "s": 64.0, "m": 0.5, "k": 3},
    "enhancement": {
        "strength": 0.1,
        "gate": {"name": "posterior", "gamma": 1.0},
        "profile": {"name": "matched"},
        "schedule": {"name": "linear", "epochs": 1.0},
    },
    "terms": [{"name": "center_loss", "alpha": 0.5, "weight": 0.01}],
    "classifier": {"share": 1.0, "block": None},
    "recipe": {
        "epochs": 10,
        "batch": 128,
        "threads": 1,
        "precision": "float32",
        "optimiser": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
        "schedule": {"name": "cosine", "final": 0.0},
        "warmup_epochs": 0.0,
        "clip_gradient": 5.0,
    },
    "pixels": 112,
    "validation": None,
    "train": {"digest": "t", "images": 1000, "identities": 10},
    "semantics": 2,
    "seed": 0,
}


def changed(at, value):
    config = copy.deepcopy(CONFIG)
    *path, last = at.split(".")
    inner = config
    for part in path:
        inner = inner[part]
    inner[last] = value
    return config


def result(config, images_per_second, **metrics):
    seconds = 1000 * config["recipe"]["epochs"] / images_per_second
    return {
        "config": config,
        "metrics": {"images_per_second": images_per_second, "train_seconds": seconds, **metrics},
    }


@pytest.mark.parametrize(
    ("at", "value"),
    [
        ("seed", 1), ("recipe.epochs", 3), ("recipe.optimiser.lr", 0.01), ("margin.m", 0.2),
        ("enhancement.strength", 1.0), ("terms", [{"name": "center_loss", "alpha": 0.1, "weight": 1.0}]),
        ("train.images", 5), ("recipe.threads", 4),
    ],
)  # fmt: skip
def test_what_takes_no_other_memory_is_of_one_shape(at, value):
    assert shape_of(changed(at, value)) == shape_of(CONFIG)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        ("backbone.width", 64), ("margin.k", 1), ("enhancement", None), ("terms", []), ("recipe.batch", 64),
        ("recipe.optimiser.name", "adamw"), ("recipe.optimiser.momentum", 0.0), ("classifier.share", 0.1),
        ("pixels", 56), ("train.identities", 9), ("recipe.precision", "bfloat16"), ("recipe.micro_batch", 32),
        ("enhancement.schedule", {"name": "after_epoch", "epoch": 1}), ("something_new", 1),
    ],
)  # fmt: skip
def test_what_may_take_other_memory_is_of_another_shape(at, value):
    assert shape_of(changed(at, value)) != shape_of(CONFIG)


def test_runs_like_finished_ones_take_as_long_an_epoch():
    measured = measure([result(CONFIG, speed) for speed in (50.0, 100.0, 900.0)])
    assert expected_seconds(changed("recipe.epochs", 3), measured) == 1000 * 3 / 100
    assert expected_seconds(changed("validation", {"identities": 0.2}), Measured()) == pytest.approx(
        0.8 * expected_seconds(CONFIG, Measured())
    )


def test_where_nothing_like_it_was_measured_the_cost_of_others_tells():
    measured = measure([result(CONFIG, 100.0)])
    assert expected_seconds(changed("pixels", 56), measured) == pytest.approx(10_000 / 100 / 4)
    assert expected_seconds(changed("recipe.threads", 2), measured) == pytest.approx(100.0)


def test_the_cost_grows_with_images_epochs_pixels_and_the_backbones_multiply_adds():
    base = cost_of(CONFIG)
    assert cost_of(changed("recipe.epochs", 20)) == 2 * base
    assert cost_of(changed("train.images", 3000)) == 3 * base
    assert cost_of(changed("pixels", 224)) == 4 * base
    assert cost_of(changed("backbone", {"name": "iresnet100"})) > 100 * base
    assert cost_of(changed("backbone", {"name": "timm/resnet18"})) > base


def test_the_largest_measured_peak_of_a_shape_counts():
    results = [result(CONFIG, 1.0, peak_gpu_bytes=peak) for peak in (5, 7, 6)]
    assert measure([*results, result(changed("pixels", 56), 1.0)]).peaks == {shape_of(CONFIG): 7}


def test_what_cannot_be_compared_is_passed_over():
    old, strange = changed("semantics", 1), changed("backbone", {"name": "of_a_package_that_is_gone"})
    del old["terms"]
    assert measure([result(old, 1.0), result(strange, 1.0)]) == measure([]) == Measured()
