"""What every margin keeps to: functions that raise AssertionError where one does not.

They look at a margin through the registry and the real head alone, so they hold for margins of any origin. Those of
``BLOCKS`` are given a resolved block ({"name", **options}), those of ``SPECS`` a spec.
"""

from __future__ import annotations

from margin_contract import memory, numerics, options, specs

BLOCKS = {
    check.__name__: check
    for check in (
        numerics.losses_and_gradients_are_finite,
        numerics.the_target_logit_never_rises,
        numerics.the_gradient_is_that_of_its_convention,
        numerics.row_order_does_not_matter,
        numerics.straight_through_has_the_value_of_true,
        numerics.the_pull_with_the_posterior_gate_is_the_definitions,
        memory.state_goes_on_with_the_same_bits_from_a_file,
        memory.training_changes_declared_buffers_alone,
        memory.evaluation_changes_nothing,
        memory.global_random_numbers_are_neither_read_nor_drawn,
        memory.step_and_seed_decide_the_bits,
    )
}
SPECS = {
    check.__name__: check
    for check in (
        specs.everything_is_stated,
        specs.traits_are_those_of_the_registry,
        specs.margin_gradient_goes_with_angular,
        specs.state_that_is_declared_is_used,
        options.functions_ask_for_what_exists,
        options.every_option_is_named,
        options.every_option_changes_the_loss,
    )
}
