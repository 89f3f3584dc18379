"""The contract itself: margins of every kind keep it, and each of its checks fails for a margin that breaks it."""

from __future__ import annotations

import pytest
from loss_heads import choices_of
from margin_contract import BLOCKS, SPECS
from margin_contract.specs import KNOWN
from throwaway_margins import BROKEN, GOOD, registered


def run(check, spec):
    with registered(spec):
        if check in SPECS:
            SPECS[check](spec)
        else:
            for block in choices_of(spec):
                BLOCKS[check](block)


@pytest.mark.parametrize("spec", GOOD, ids=lambda spec: spec.name)
@pytest.mark.parametrize("check", [*BLOCKS, *SPECS])
def test_margins_of_every_kind_keep_the_contract(check, spec):
    run(check, spec)


@pytest.mark.parametrize(("check", "spec"), BROKEN, ids=lambda value: getattr(value, "name", value))
def test_a_margin_that_breaks_it_is_found(check, spec):
    with pytest.raises(AssertionError):
        run(check, spec)


def test_every_check_is_seen_to_fail():
    assert {check for check, _ in BROKEN} == {*BLOCKS, *SPECS}


def test_every_trait_of_the_registry_is_in_a_margin_that_keeps_the_contract():
    """But for ``check`` and ``flat``, which are no part of a loss: they speak of its options and of its shape."""
    assert set().union(*(spec.traits for spec in GOOD)) == KNOWN - {"check", "flat"}
