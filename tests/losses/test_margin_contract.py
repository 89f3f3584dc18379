"""The contract of margins over everything registered, entry points included: see ``margin_contract``."""

from __future__ import annotations

import pytest
from loss_heads import label_of, margins_and_choices
from margin_contract import BLOCKS, SPECS

from bench.catalog import MARGINS


@pytest.mark.parametrize("block", margins_and_choices(), ids=label_of)
@pytest.mark.parametrize("check", BLOCKS)
def test_every_margin_and_choice_keeps_the_contract(check, block):
    BLOCKS[check](block)


@pytest.mark.parametrize("spec", list(MARGINS), ids=lambda spec: spec.name)
@pytest.mark.parametrize("check", SPECS)
def test_every_margin_says_what_it_is(check, spec):
    SPECS[check](spec)
