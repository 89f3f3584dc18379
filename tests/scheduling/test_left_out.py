"""What a scheduler writes down of what it hears."""

from bench.scheduling.plan import PlannedRun
from bench.scheduling.suite_run import do_runs
from bench.store import Store
from bench.suite.schema import ExecutorBlock
from tests.scheduling.planned import asked_record, ids


class Telling:
    """An executor that does nothing but tell these events of every job."""

    def __init__(self, *events):
        self.events, self.jobs = events, []

    def run(self, jobs, on_event):
        for job in jobs:
            self.jobs.append(job)
            for event in self.events:
                on_event({"run": job.name, **event})


def test_a_worker_that_died_is_recorded_in_the_run_and_its_failure_is_returned(tmp_path):
    store, record = Store(tmp_path), asked_record(ids(1)[0])
    record["config"]["recipe"] = {"threads": 1}
    run = PlannedRun.from_record(record)
    executor = Telling({"kind": "retry", "error": "it died"}, {"kind": "failed", "error": "it died, 2 times"})
    failed = do_runs([run], store, ExecutorBlock(), executor=executor, same_class=True)
    assert failed == {run.run: "it died, 2 times"}
    assert [(event["kind"], event["error"]) for event in store.events(run.run)] == [("retry", "it died")]
    assert [job.same_class for job in executor.jobs] == [True]


def test_nothing_to_do_asks_for_no_executor(tmp_path):
    assert do_runs([], Store(tmp_path), ExecutorBlock(name="nowhere")) == {}
