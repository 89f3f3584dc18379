"""The garbage collector is paused for a while, and never for good."""

import gc

import pytest

from bench.collecting import nothing_to_collect


def test_the_collector_is_off_inside_and_as_before_outside_also_after_an_error():
    assert gc.isenabled()

    def pause():
        with nothing_to_collect():
            with nothing_to_collect():
                assert not gc.isenabled()
            assert not gc.isenabled()
            raise KeyError

    with pytest.raises(KeyError):
        pause()
    assert gc.isenabled()
