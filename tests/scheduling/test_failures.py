"""What a failed run leaves: a line, a kind, and how much memory it had."""

import pytest
import torch

from bench.errors import DataError, NonFiniteLossError
from bench.scheduling.failures import failure_of, record_failure
from bench.store import Store

CONFIG = {"recipe": {"batch": 64}, "classifier": {"block": None}}


def failing(error):
    try:
        raise error
    except Exception as caught:
        return failure_of(caught, CONFIG)


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (NonFiniteLossError("not finite at step 3"), "not finite", "not finite at step 3"),
        (DataError("images are gone"), "mistake", "images are gone"),
        (KeyError("x"), "bug", "KeyError: 'x'"),
        (RuntimeError("shapes differ"), "bug", "RuntimeError: shapes differ"),
        (ValueError(), "bug", "ValueError"),
    ],
)
def test_every_error_has_a_kind_and_one_line(error, reason, words):
    found = failing(error)
    assert (found["reason"], found["error"]) == (reason, words)
    assert "Traceback" in found["traceback"]


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried\nmore")])
def test_out_of_memory_says_how_much_there_was_and_what_to_try(error):
    found = failing(error)
    assert found["reason"] == "oom"
    assert found["peak_bytes"] > 10**7
    assert found["error"].startswith("out of memory: peak ")
    assert (
        "try recipe.micro_batch 32 (it changes the run's id and, with BatchNorm, its gradient), "
        "a smaller recipe.batch (now 64) or, with many classes, classifier.block"
    ) in found["error"]
    assert "\n" not in found["error"]


@pytest.mark.parametrize(
    ("recipe", "advice"),
    [
        ({"batch": 64, "micro_batch": 16}, "try recipe.micro_batch 8 ("),
        ({"batch": 45}, "try recipe.micro_batch 15 ("),
        ({"batch": 64, "micro_batch": 2}, "try a smaller recipe.batch (now 64)"),
        ({"batch": 7}, "try a smaller recipe.batch (now 7)"),
    ],
)
def test_the_micro_batch_that_is_advised_is_smaller_and_divides_the_batch(recipe, advice):
    found = failure_of(MemoryError(), {**CONFIG, "recipe": recipe})
    assert advice in found["error"]


def test_torch_without_memory_on_the_host_is_out_of_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**18, dtype=torch.uint8)
    assert failure_of(caught.value, CONFIG)["reason"] == "oom"


def test_a_failure_that_cannot_be_written_is_still_told(tmp_path):
    (tmp_path / "runs").write_text("")
    failure = failing(DataError("gone"))
    assert record_failure(Store(tmp_path), "r", failure) == {"error": "gone", "reason": "mistake"}
    assert record_failure(Store(tmp_path / "other"), "r", failure) == {"error": "gone", "reason": "mistake"}
    assert Store(tmp_path / "other").failure("r")["reason"] == "mistake"
