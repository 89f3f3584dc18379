"""Several suites through one executor: whose run goes when, and which suites may run together."""

import pytest

from bench.data.resolve import PreparedData
from bench.errors import BenchError
from bench.scheduling.plan import Plan, plan_run
from bench.scheduling.suite_run import check_together, do_runs, run_plan, run_plans
from bench.store import Store
from bench.suite.schema import ExecutorBlock
from bench.suite.suite import load_suite

SUITE = """\
name: NAME
data: {root: synthetic, pixels: 32, protocols: [lfw]}
backbone: {name: small_cnn, embedding: 64}
margin: {name: arcface}
recipe: {epochs: 2}
"""
DATA = PreparedData("t" * 16, 1000, 10, {"lfw": "l" * 16}, {})


@pytest.fixture
def suite(tmp_path):
    def load(name, more=""):
        path = tmp_path / f"{name}.yaml"
        path.write_text(SUITE.replace("NAME", name) + more)
        return load_suite(path)

    return load


def plan_of(suite):
    runs = [plan_run(item.cell, seed, DATA, item.axes) for item in suite.cells for seed in suite.seeds]
    return Plan(suite, tuple(runs), {})


class Notes:
    """An executor that notes the jobs and says that they are done."""

    def run(self, jobs, on_event):
        self.jobs = list(jobs)
        for job in self.jobs:
            on_event({"run": job.runs[0]["run"], "kind": "done"})


def test_suites_take_turns_a_higher_priority_goes_first_and_a_shared_run_is_done_once(suite, tmp_path):
    a = plan_of(suite("a", "seeds: [0, 1, 2]\n"))
    b = plan_of(suite("b", "seeds: [2, 3]\n"))
    c = plan_of(suite("c", "seeds: [4, 0]\nexecutor: {priority: 1}\n"))
    notes, begun = Notes(), []
    failed = run_plans(
        [a, b, c], Store(tmp_path), command="", executor=notes,
        begin=lambda names, done, cancelled: begun.append((names, done, cancelled)),
    )  # fmt: skip
    assert failed == {}
    went = [(job.suite, job.priority, job.runs[0]["config"]["seed"]) for job in notes.jobs]
    assert went == [("c", 1, 4), ("c", 1, 0), ("a", 0, 1), ("b", 0, 3), ("a", 0, 2)]
    names, done, cancelled = begun[0]
    assert (len(names), done, cancelled) == (5, 0, 0)
    assert names[c.runs[1].run] == "c: seed 0"
    assert Store(tmp_path).suite_names() == ["a", "b", "c"]


def test_jobs_say_what_they_need_as_finished_runs_tell(suite, tmp_path):
    plan, store = plan_of(suite("a", "grid: {recipe.epochs: [2, 3], recipe.batch: [64, 128]}\n")), Store(tmp_path)
    done = next(run for run in plan.runs if run.config["recipe"]["batch"] == 128)
    metrics = {"images_per_second": 50.0, "train_seconds": 40.0, "peak_gpu_bytes": 7}
    store.write_result(done.run, {"config": done.config, "metrics": metrics})
    notes = Notes()
    run_plan(plan, store, command="", executor=notes)
    needs = {
        (job.runs[0]["config"]["recipe"]["epochs"], job.runs[0]["config"]["recipe"]["batch"]): job for job in notes.jobs
    }
    assert needs[3, 128].expected == pytest.approx(3000 / 50)
    assert (needs[3, 128].peak, needs[3, 64].peak) == (7, None)
    assert needs[3, 128].shape == needs[2, 128].shape != needs[2, 64].shape
    assert [job.runs[0]["config"]["recipe"]["epochs"] for job in notes.jobs] == [3, 3, 2, 2]
    assert {job.threads for job in notes.jobs} == {1}


def test_suites_of_one_name_or_with_other_executors_are_refused(suite, tmp_path):
    one, other = suite("one", "executor: {slots: 2, priority: 3}\n"), suite("other", "executor: {retries: 5}\n")
    check_together([one, suite("third", "executor: {slots: 2, priority: -1}\n")])
    found = "executor.retries is 5, not 1, executor.slots is None, not 2 as in .*one.yaml; .* share one executor"
    with pytest.raises(BenchError, match=rf"other.yaml: {found}"):
        check_together([one, other])
    with pytest.raises(BenchError, match="a suite called 'one' is given already"):
        run_plans([plan_of(one), plan_of(one)], Store(tmp_path), command="")


def test_a_share_may_be_measured_and_is_refused_in_any_other_word(suite):
    assert suite("s", "executor: {share: auto}\n").executor.options["share"] == "auto"
    assert suite("s", "executor: {share: 0.5}\n").executor.options["share"] == 0.5
    with pytest.raises(BenchError, match=r"executor.share: must be a number > 0 and <= 1 or auto, found 'atuo'"):
        suite("s", "executor: {share: atuo}\n")


class Telling:
    """An executor that does nothing but tell these events of every job."""

    def __init__(self, *events):
        self.events, self.jobs = events, []

    def run(self, jobs, on_event):
        for job in jobs:
            self.jobs.append(job)
            for event in self.events:
                on_event({"run": job.name, **event})


def test_the_failure_of_a_run_is_returned_and_its_job_told_of_the_same_class(suite, tmp_path):
    store, runs = Store(tmp_path), plan_of(suite("a")).runs
    executor = Telling({"kind": "retry", "error": "it died"}, {"kind": "failed", "error": "it died, 2 times"})
    failed = do_runs(runs, store, ExecutorBlock(), executor=executor, same_class=True)
    assert failed == {runs[0].run: "it died, 2 times"}
    assert [job.same_class for job in executor.jobs] == [True]


def test_nothing_to_do_asks_for_no_executor(tmp_path):
    assert do_runs([], Store(tmp_path), ExecutorBlock(name="nowhere")) == {}
