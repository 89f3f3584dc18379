"""What runs where: every job ends once whatever dies or hangs, and no device is over-full."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.scheduling.dispatch import CONTEXT_BYTES, Dispatch
from bench.scheduling.jobs import Job
from bench.scheduling.slots import Slot

GIB = 2**30


def job(name, **fields):
    return Job(({"run": name},), "", "", **fields)


def cpu(count, cores=None):
    return [Slot(i, "cpu", "", cores=cores) for i in range(count)]


def gpu(count, gib, mask="0", first=0):
    return [Slot(first + i, "cuda", mask, memory=gib * GIB) for i in range(count)]


def names(dispatch, slots, now=0.0):
    """What begins if every free slot is asked once, by name; None where nothing does."""
    begun = [dispatch.next(slot, now) for slot in slots if dispatch.free(slot)]
    return [found and found.name for found in begun]


class World:
    """Slots on which things happen at random, and what must hold meanwhile."""

    def __init__(self, slots, jobs, retries, seed):
        self.slots, self.jobs, self.retries, self.draw, self.now = slots, jobs, retries, random.Random(seed), 0.0
        self.dispatch = Dispatch(iter(jobs), retries=retries, hang_seconds=10.0)
        self.ended, self.deaths, self.begun, self.on, self.seen = [], {}, [], {}, {}

    def run(self):
        while True:
            while any(self.give(slot) for slot in self.slots if self.dispatch.free(slot)):
                pass
            if not self.dispatch.busy:
                return
            self.now += self.draw.uniform(0, 4)
            slot = self.draw.choice(sorted(self.on, key=lambda slot: slot.index))
            happening = self.draw.choice((self.finish, self.die, self.epoch, self.epoch))
            happening(slot)
            for silent in self.dispatch.silent(self.now):
                assert self.now - self.seen[silent] > 10
                self.die(silent, hung=True)

    def give(self, slot):
        found = self.dispatch.next(slot, self.now)
        if found is None:
            return False
        self.begun.append(found.name)
        self.on[slot], self.seen[slot] = found, self.now
        beside = [self.on[other] for other in self.on if other.mask == slot.mask]
        if len(beside) > 1:
            assert slot.cores is None or sum(each.threads for each in beside) <= slot.cores
            assert slot.memory is None or sum(map(peak, beside)) + len(beside) * CONTEXT_BYTES <= slot.memory
        return True

    def finish(self, slot):
        assert self.dispatch.finished(slot) == self.on[slot]
        self.ended.append((self.on.pop(slot).name, "done"))

    def die(self, slot, hung=False):
        found, death = self.on.pop(slot), self.dispatch.died(slot)
        self.deaths[found.name] = self.deaths.get(found.name, 0) + 1
        assert (death.job, death.hung, death.deaths) == (found, hung, self.deaths[found.name])
        assert death.again == (death.deaths <= self.retries)
        if not death.again:
            self.ended.append((found.name, "failed"))

    def epoch(self, slot):
        self.dispatch.heard(slot, self.now)
        self.dispatch.measured(slot, peak(self.on[slot]))
        self.seen[slot] = self.now


def peak(job):
    return (int(job.shape) + 1) * GIB


@st.composite
def worlds(draw):
    count = draw(st.integers(1, 4))
    slots = draw(
        st.sampled_from(
            [cpu(count), cpu(count, cores=4), gpu(count, 8), [*gpu(count, 8), *gpu(count, 5, mask="1", first=count)]]
        )
    )
    kinds = st.tuples(st.integers(1, 6), st.integers(0, 3), st.booleans())
    jobs = []
    for i, (threads, shape, known) in enumerate(draw(st.lists(kinds, max_size=12))):
        one = job(f"r{i}", threads=threads, shape=str(shape))
        jobs.append(job(f"r{i}", threads=threads, shape=str(shape), peak=peak(one) if known else None))
    return World(slots, jobs, draw(st.integers(0, 2)), draw(st.integers(0, 2**32)))


@settings(deadline=None, max_examples=150)
@given(worlds())
def test_every_job_ends_exactly_once_begins_in_order_and_shares_a_device_only_where_it_has_room(world):
    world.run()
    assert sorted(name for name, _ in world.ended) == sorted(each.name for each in world.jobs)
    assert list(dict.fromkeys(world.begun)) == [each.name for each in world.jobs]
    for name, how in world.ended:
        assert world.begun.count(name) == world.deaths.get(name, 0) + (how == "done")
        assert (how == "failed") == (world.deaths.get(name, 0) == world.retries + 1)


def test_the_next_job_is_asked_for_only_when_a_slot_is_free_and_the_one_in_front_has_gone():
    asked = []
    jobs = (asked.append(i) or job(f"r{i}", shape="a") for i in itertools.count())
    slots = gpu(3, 80)
    dispatch = Dispatch(jobs)
    assert names(dispatch, slots) == ["r0", None, None]
    assert asked == [0, 1]
    dispatch.measured(slots[0], GIB)
    assert names(dispatch, slots) == ["r1", "r2"]
    assert asked == [0, 1, 2]


def test_a_job_whose_worker_died_goes_before_all_that_wait():
    slots = cpu(1)
    dispatch = Dispatch([job("a"), job("b")])
    assert names(dispatch, slots) == ["a"]
    assert dispatch.died(slots[0]).again
    assert names(dispatch, slots) == ["a"]
    assert not dispatch.died(slots[0]).again
    assert names(dispatch, slots) == ["b"]


def test_it_also_goes_before_one_that_waits_for_room():
    slots = cpu(2, cores=2)
    dispatch = Dispatch([job("a"), job("wide", threads=2)])
    assert names(dispatch, slots) == ["a", None]
    dispatch.died(slots[0])
    assert names(dispatch, slots) == ["a", None]


def test_a_worker_that_speaks_does_not_hang_and_one_that_hangs_is_told_once():
    slots = cpu(2)
    dispatch = Dispatch([job("a"), job("b")], hang_seconds=10)
    names(dispatch, slots)
    dispatch.heard(slots[0], 6)
    assert dispatch.silent(10) == []
    assert dispatch.silent(10.5) == [slots[1]]
    assert dispatch.silent(11) == []
    assert dispatch.silent(17) == [slots[0]]
    assert dispatch.died(slots[1]).hung
    assert not Dispatch([]).silent(1e9)


def test_the_first_run_of_a_shape_is_alone_on_its_gpu_until_its_peak_is_known_and_others_elsewhere():
    one, other = gpu(3, 12), gpu(1, 12, mask="1", first=3)
    dispatch = Dispatch([job(f"r{i}", shape="a") for i in range(9)])
    assert names(dispatch, [*one, *other]) == ["r0", None, None, "r1"]
    dispatch.measured(one[0], 5 * GIB)
    assert names(dispatch, one) == ["r2", None]  # 2 × (5 + 1) fit 12 GiB
    dispatch.measured(one[1], 6 * GIB)  # a later epoch took more
    dispatch.finished(one[0])
    assert names(dispatch, one) == [None, None]
    dispatch.measured(one[1], GIB)  # it has taken 6 before, and may again
    assert names(dispatch, one) == [None, None]


def test_a_run_of_a_shape_that_was_measured_before_is_admitted_by_that():
    slots = gpu(3, 12)
    dispatch = Dispatch([job(f"r{i}", shape="a", peak=5 * GIB) for i in range(3)])
    assert names(dispatch, slots) == ["r0", "r1", None]


def test_the_contexts_of_idle_processes_count():
    slots = gpu(3, 10)
    dispatch = Dispatch([*(job(f"s{i}", shape="s", peak=GIB) for i in range(3)), job("m"), job("n", peak=4 * GIB)])
    assert names(dispatch, slots) == ["s0", "s1", "s2"]
    for slot in slots:
        dispatch.finished(slot)
    assert names(dispatch, slots) == ["m", None, None]
    dispatch.measured(slots[0], 4 * GIB)  # 4 + 4 and three processes of 1 are more than 10
    assert names(dispatch, slots) == [None, None]


def test_a_run_that_no_gpu_has_room_for_goes_alone_and_is_never_overtaken():
    slots = gpu(2, 4)
    dispatch = Dispatch([job("small", peak=GIB), job("large", peak=9 * GIB), job("tiny", peak=1)])
    assert names(dispatch, slots) == ["small", None]
    dispatch.finished(slots[0])
    assert names(dispatch, slots) == ["large", None]


def test_runs_share_the_cores_by_their_threads():
    slots = cpu(4, cores=4)
    dispatch = Dispatch([job(f"r{i}", threads=threads) for i, threads in enumerate((2, 1, 2, 1, 9))])
    assert names(dispatch, slots) == ["r0", "r1", None, None]
    dispatch.finished(slots[1])
    assert names(dispatch, slots) == ["r2", None, None]
    dispatch.finished(slots[0])
    dispatch.finished(slots[1])
    assert names(dispatch, slots) == ["r3", None, None, None]
    dispatch.finished(slots[0])
    assert names(dispatch, slots) == ["r4", None, None, None]  # more than there are, so alone


def test_a_slot_that_has_a_job_cannot_take_another():
    dispatch = Dispatch([job("a"), job("b")])
    dispatch.next(cpu(1)[0], 0)
    with pytest.raises(ValueError, match="slot 0"):
        dispatch.next(cpu(1)[0], 0)
