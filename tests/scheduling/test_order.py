"""The order of known runs: priority, then fair between suites, then the longest first."""

from hypothesis import given
from hypothesis import strategies as st

from bench.scheduling.jobs import Job
from bench.scheduling.order import in_order


def job(name, suite="", expected=1.0, priority=0):
    return Job(({"run": name},), "", "", suite=suite, expected=expected, priority=priority)


def order(*jobs):
    return [each.name for each in in_order(jobs)]


def test_higher_priority_goes_first_then_the_longest():
    assert order(job("a", expected=1), job("b", expected=9), job("c", priority=2), job("d", priority=-1)) == [*"cbad"]


def test_equal_runs_keep_their_order():
    assert order(*map(job, "dacb")) == [*"dacb"]


def test_a_suite_of_long_runs_and_one_of_short_ones_get_equal_time():
    long = [job(f"l{i}", "long", 4.0) for i in range(3)]
    short = [job(f"s{i}", "short", 1.0) for i in range(9)]
    assert order(*long, *short) == ["l0", "s0", "s1", "s2", "s3", "l1", "s4", "s5", "s6", "s7", "l2", "s8"]


def test_what_a_suite_got_at_a_higher_priority_counts():
    first = [job("a0", "a", 5.0, priority=1), job("a1", "a", 2.0)]
    assert order(*first, job("b0", "b", 2.0), job("b1", "b", 2.0)) == ["a0", "b0", "b1", "a1"]


runs = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.1, 10), st.integers(-1, 1)), max_size=40)


@given(runs)
def test_every_run_goes_once_and_no_waiting_suite_falls_behind_by_more_than_a_run(drawn):
    jobs = [job(f"r{i}", *fields) for i, fields in enumerate(drawn)]
    ordered = list(in_order(jobs))
    assert sorted(each.name for each in ordered) == sorted(each.name for each in jobs)
    assert [each.priority for each in ordered] == sorted((each.priority for each in jobs), reverse=True)
    given_time = dict.fromkeys("abc", 0.0)
    for i, each in enumerate(ordered):
        rivals = {other.suite for other in ordered[i:] if other.priority == each.priority}
        assert given_time[each.suite] == min(given_time[rival] for rival in rivals)
        longest = max(o.expected for o in ordered[i:] if (o.suite, o.priority) == (each.suite, each.priority))
        assert each.expected == longest
        given_time[each.suite] += each.expected
