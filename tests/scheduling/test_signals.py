"""Signals that ask to end: as interrupts, held back for a moment, and left alone where they are ignored."""

import signal

import pytest

from bench.scheduling.signals import HANGUP, as_interrupts, held_back


@pytest.fixture(autouse=True)
def usual():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, HANGUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, HANGUP):  # `nohup` has the tests ignore it
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def block_that_gets(said, *numbers):
    """Notes after each signal, where the block goes on, whether it is known that one came."""
    with held_back() as came:
        for number in numbers:
            signal.raise_signal(number)
            said.append(came())


def command_that_gets(number):
    with as_interrupts():
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            raise SystemExit(1) from None


@pytest.mark.parametrize("number", [signal.SIGTERM, HANGUP])
def test_they_interrupt_and_the_exit_code_tells_which_came(number):
    with pytest.raises(SystemExit) as caught:
        command_that_gets(number)
    assert caught.value.code == 128 + number


def test_one_that_is_ignored_stays_so():
    signal.signal(HANGUP, signal.SIG_IGN)
    command_that_gets(HANGUP)
    said = []
    block_that_gets(said, HANGUP)
    assert said == [False]


def test_one_that_is_held_back_acts_when_the_block_ends():
    said = []
    with pytest.raises(KeyboardInterrupt):
        block_that_gets(said, signal.SIGINT)
    assert said == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_one_does_not_wait():
    said = []
    with pytest.raises(KeyboardInterrupt):
        block_that_gets(said, signal.SIGINT, signal.SIGINT, signal.SIGINT)
    assert said == [True]
