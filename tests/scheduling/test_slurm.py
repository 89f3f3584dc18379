"""Array tasks: the same bits as in this process, whatever ends them, and whether or not somebody waits for them."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import BenchError, SuiteError
from bench.records import append_json
from bench.scheduling import array_driver, array_task, leases
from bench.scheduling.array_cluster import Ended, Listed, LocalCluster, Request, SlurmCluster
from bench.scheduling.array_driver import ArrayDriver
from bench.scheduling.array_task import ArrayTask, Story, Tail, marks_of_the_dead, told_path
from bench.scheduling.execute import InProcess
from bench.scheduling.jobs import Job
from bench.scheduling.plan import make_plan
from bench.scheduling.suite_run import make_executor, run_plan
from bench.store import Store
from bench.suite.suite import load_suite
from tests.scheduling.fake_slurm import install
from tests.scheduling.faulty_task import FaultyTask
from tests.tiny import SUITE, write_root, write_suite

ROOT = Path(__file__).parents[2]
FOUR_RUNS = SUITE + "seeds: 2\n"
SLURM = "executor: {name: slurm, device: cpu, partition: small, minutes: 5, memory_gb: 2, at_once: 2"


def with_executor(text):
    return FOUR_RUNS.replace("executor: {device: cpu, slots: 2}", text)


def planned(place, name, executor):
    path = write_suite(place / f"{name}.yaml", place / "root", with_executor(executor))
    suite = load_suite(path)
    return make_plan(suite, cache=place / "cache")


def everything(store):
    """What the table is made of."""
    found = {}
    for run in store.run_ids():
        tests = sorted(path.stem for path in store.evaluation_folder(run).glob("*.json"))
        metrics = [store.evaluation(run, key)["metrics"] for key in tests]
        found[run] = (store.result(run)["weights_sha256"], json.dumps(metrics))
    return found


def kinds(store, run):
    return [event["kind"] for event in store.events(run)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data, packed images, and the undisturbed results of the four runs, made in this process."""
    folder = tmp_path_factory.mktemp("slurm")
    write_root(folder / "root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        patch.setenv("PYTHONPATH", str(ROOT))
        plan = planned(folder, "here", "executor: {device: cpu}")
        assert run_plan(plan, Store(folder / "here"), command="", executor=InProcess()) == {}
        yield folder


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Slurm's commands on the PATH, and where they keep what they know."""
    for name, value in install(tmp_path / "bin", tmp_path / "state").items():
        monkeypatch.setenv(name, value)
    return tmp_path / "state"


def quick(executor):
    return replace(executor, cluster=replace(executor.cluster, look_seconds=1.0), hear_seconds=0.05)


def run_with_faults(place, results, executor, faults, monkeypatch):
    monkeypatch.setattr(array_driver, "ArrayTask", FaultyTask)
    monkeypatch.setenv("FAULTS", json.dumps(faults))
    events = []
    plan = planned(place, results.name, executor)
    driver = quick(make_executor(plan.suite.executor, 1))
    failed = run_plan(plan, Store(results), command="", executor=driver, on_event=events.append)
    return failed, events


def test_on_this_machine_a_task_whose_time_is_up_goes_on_where_it_was_with_the_same_bits(place, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_SLURM", str(tmp_path))
    executor = "executor: {name: slurm, cluster: local, device: cpu, minutes: 5, runs_per_task: 4}"
    failed, events = run_with_faults(place, tmp_path / "results", executor, {"0": "time is up"}, monkeypatch)
    store = Store(tmp_path / "results")
    assert failed == {}
    assert everything(store) == everything(Store(place / "here"))
    stopped = [run for run in store.run_ids() if "stopped" in kinds(store, run)]
    assert len(stopped) == 1
    told = [kind for kind in kinds(store, stopped[0]) if kind not in ("started", "retry")]
    assert told[:4] == ["epoch", "stopped", "requeued", "resumed"]
    assert next(event for event in store.events(stopped[0]) if event["kind"] == "resumed")["step"] == 2
    assert Counter(event["kind"] for event in events)["done"] == 4
    assert [event["run"] for event in events if event["kind"] == "retry"] == stopped


def test_whatever_ends_a_task_in_slurm_the_table_is_that_of_the_undisturbed(place, tmp_path, fake, monkeypatch):
    executor = SLURM + ", account: lab, constraint: fast, cpus: 3, grace_seconds: 90, setup: [export GREETING=hello]}"
    faults = dict(enumerate(["time is up", "out of memory", "preempted", "node lost"]))
    failed, events = run_with_faults(place, tmp_path / "results", executor, faults, monkeypatch)
    store = Store(tmp_path / "results")
    assert failed == {}
    assert everything(store) == everything(Store(place / "here"))
    told = {event["run"]: event["error"] for event in events if event["kind"] == "retry"}
    assert len(told) == 4
    said = " / ".join(sorted(told.values()))
    assert re.search(r"OUT_OF_MEMORY \(signal 125\); ask for more by executor.memory_gb \(now 2\)", said)
    assert "PREEMPTED (signal 15)" in said
    assert said.count("its task") == 2  # that Slurm started again by itself
    assert all({"retry", "requeued"} & set(kinds(store, run)) for run in store.run_ids())
    assert sum("resumed" in kinds(store, run) for run in store.run_ids()) == 2  # the two that were warned

    first, second, third = sorted(path for path in fake.iterdir() if path.is_dir())
    lines = (first / "script.sh").read_text().splitlines()
    flags = {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")}
    assert {
        "array=0-3%2", "partition=small", "account=lab", "constraint=fast", "time=5", "mem=2G", "cpus-per-task=3",
        "signal=USR2@90", "requeue",
    } <= flags  # fmt: skip
    assert not any(flag.startswith(("qos", "gpus", "wckey")) for flag in flags)
    assert "export GREETING=hello" in lines
    assert any(line.startswith("srun ") and "--cpus-per-task=3" in line for line in lines)
    assert all("array" not in (again / "script.sh").read_text() for again in (second, third))  # one task each


def test_tasks_end_without_the_command_that_is_killed_and_the_next_one_submits_nothing(place, tmp_path, fake):
    suite = write_suite(tmp_path / "tiny.yaml", place / "root", with_executor(SLURM + ", runs_per_task: 2}"))
    words = [sys.executable, "-m", "bench", "run", str(suite), "--no-track", "--results", "results"]
    store = Store(tmp_path / "results")
    first = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: any("epoch" in kinds(store, run) for run in store.run_ids()))
    first.kill()
    first.wait()
    second = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert second.returncode == 0, second.stderr
    assert [path.name for path in fake.iterdir() if path.is_dir()] == ["100"]
    assert everything(store) == everything(Store(place / "here"))
    assert all(Counter(kinds(store, run))["epoch"] == 2 for run in store.run_ids())
    third = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert "0 runs to do, 4 done before" in third.stderr
    with (tmp_path / "results" / "suites" / "tiny" / "report" / "table.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2


def wait_for(what, seconds=120):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# without any process


class Scripted:
    """A cluster on which every task ends at once, as ``ends`` says in turn; what it tells before is ``tells``."""

    def __init__(self, *ends, tells=(), living=()):
        self.request, self.look_seconds = Request(minutes=1, grace_seconds=1, cpus=1, gpus=0), 0.0
        self.ends, self.tells, self.living, self.submitted = list(ends), tells, set(living), []
        self.most = max(1, len(ends))

    def room(self, living):
        return 1000

    def submit(self, array, folder, tasks, after):
        self.submitted.append([Path(task.description) for task in tasks])
        for task in tasks:
            for event in self.tells if "aaaa" in Path(task.description).read_text() else ():
                append_json(told_path(Path(task.description)), event)
        return [f"{len(self.submitted)}_{i}" for i in range(len(tasks))]

    def alive(self):
        return self.living

    def ended(self, tasks):
        if not self.ends:
            assert len(self.submitted) <= self.most, "more tries than there should be"
            return {}
        end = self.ends.pop(0)
        return {tasks[0]: Ended(end, f"task {tasks[0].id}: {end}")}

    def farewell(self, ids):
        return "good-bye " + " ".join(ids)


def job(results, run="aaaa", **options):
    return Job(
        ({"run": run, "config": {}, "evaluations": {"lfw": "eeee"}, "protocols": {}},), str(results), "", **options
    )


def drive(cluster, jobs, **options):
    events = []
    ArrayDriver(cluster, "cpu", hear_seconds=0.0, **options).run(iter(jobs), events.append)
    return events


BEGUN = ({"kind": "begins", "machine": "far", "pid": 7}, {"kind": "started", "run": "aaaa"})


@pytest.mark.parametrize(
    ("ends", "reason", "retries"),
    [
        (["NODE_FAIL"] * 2, "death", 1),
        (["OUT_OF_MEMORY"] * 2, "oom", 1),
        (["CANCELLED by 4711"] * 2, "death", 1),
        ([f"CANCELLED by {os.getuid()}"], "death", 0),
        (["PREEMPTED"] * 4, "death", 3),
    ],
)
def test_a_run_whose_task_dies_is_tried_again_a_few_times_unless_its_user_cancelled_it(tmp_path, ends, reason, retries):
    cluster = Scripted(*ends, tells=BEGUN)
    events = drive(cluster, [job(tmp_path)], retries=1, requeues=3)
    assert [event["kind"] for event in events if event["kind"] in ("retry", "failed")] == ["retry"] * retries + [
        "failed"
    ]
    assert len(cluster.submitted) == retries + 1
    failure = Store(tmp_path).failure("aaaa")
    assert failure["reason"] == reason
    assert ends[-1] in failure["error"]
    assert kinds(Store(tmp_path), "aaaa") == ["retry"] * retries + ["failed"]


def test_only_the_run_that_was_begun_is_to_blame_for_the_death_of_its_task(tmp_path):
    cluster = Scripted("NODE_FAIL", "NODE_FAIL", tells=BEGUN)
    events = drive(cluster, [job(tmp_path), job(tmp_path, "bbbb")], retries=0, runs_per_task=2, requeues=0)
    assert [(e["run"], e["kind"]) for e in events if e["kind"] in ("retry", "failed")] == [
        ("aaaa", "failed"), ("bbbb", "retry"), ("bbbb", "failed"),
    ]  # fmt: skip


def test_a_task_that_ended_before_it_began_asks_about_the_folder(tmp_path):
    events = drive(Scripted("FAILED"), [job(tmp_path)], retries=0)
    assert "do its machines see this results folder?" in events[-1]["error"]
    assert "log: slurm/bench-" in events[-1]["error"]


def test_what_a_task_claims_is_believed_only_if_the_store_has_it(tmp_path, monkeypatch):
    monkeypatch.setattr(array_driver, "LATE_SECONDS", 0.0)
    tells = (*BEGUN, {"kind": "done", "run": "aaaa"}, {"kind": "leaves", "signal": None})
    events = drive(Scripted(tells=tells), [job(tmp_path)], retries=0)
    assert [event["kind"] for event in events] == ["note", "started", "failed"]


def test_a_task_of_an_earlier_command_is_listened_to_and_one_that_does_less_is_not(tmp_path):
    first = Scripted(tells=BEGUN)
    with pytest.raises(KeyboardInterrupt):
        ArrayDriver(first, "cpu", hear_seconds=0.0).run(iter([job(tmp_path)]), interrupted_at("started"))
    array = first.submitted[0][0].parent.name
    later = Scripted("NODE_FAIL", living=[Listed(array, "1_0")], tells=BEGUN)
    events = drive(later, [job(tmp_path)], retries=0)
    assert later.submitted == []
    assert events[0]["text"].startswith("1 tasks of an earlier call")
    assert events[-1]["kind"] == "failed"
    more = replace(job(tmp_path), runs=({**job(tmp_path).runs[0], "evaluations": {"lfw": "eeee", "ytf": "ffff"}},))
    other = Scripted("NODE_FAIL", living=[Listed(array, "1_0")], tells=BEGUN)
    drive(other, [more], retries=0)
    assert len(other.submitted) == 1
    gone = Scripted("NODE_FAIL", living=[Listed("bench-of-somebody-else", "1_0")], tells=BEGUN)
    drive(gone, [job(tmp_path)], retries=0)
    assert len(gone.submitted) == 1


def interrupted_at(kind):
    def hear(event):
        if event["kind"] == kind:
            raise KeyboardInterrupt

    return hear


def test_when_the_command_is_stopped_it_says_what_becomes_of_the_tasks(tmp_path):
    told = []

    def hear(event):
        told.append(event)
        if event["kind"] == "started":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ArrayDriver(Scripted(tells=BEGUN), "cpu", hear_seconds=0.0).run(iter([job(tmp_path)]), hear)
    assert told[-1] == {"run": "", "kind": "note", "text": "good-bye 1_0"}


def test_the_lease_of_a_process_that_slurm_ended_on_another_machine_is_free_at_once(tmp_path):
    store = Store(tmp_path)
    store.run_folder("aaaa").mkdir(parents=True)
    lease = {"machine": "far", "pid": 7, "began": 0.0, "beat": 3, "given_back": False}
    (store.run_folder("aaaa") / "lease.000001").write_text(json.dumps(lease))
    assert leases.take(store.run_folder("aaaa")) is None
    cluster = Scripted("NODE_FAIL", "NODE_FAIL", tells=BEGUN)
    drive(cluster, [job(tmp_path)], retries=1)
    first, second = (array_task.described_jobs(json.loads(paths[0].read_bytes()))[0] for paths in cluster.submitted)
    assert first.stale == {}
    assert second.stale == {"aaaa": (1, 3)}
    assert marks_of_the_dead(store, ["aaaa"], [("far", 8)]) == {}


def test_a_run_that_says_nothing_is_killed_on_its_node(tmp_path, monkeypatch):
    killed = threading.Event()
    monkeypatch.setattr(array_task, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(array_task.os, "kill", lambda *_: killed.set())
    with array_task._watched(tmp_path / "0.jsonl", 0.05) as send:
        for _ in range(3):
            send({"kind": "step", "run": "aaaa"})
        assert killed.wait(60)
    assert [event["kind"] for event in Tail(tmp_path / "0.jsonl").read()][:2] == ["step", "hangs"]
    events = drive(Scripted("FAILED", tells=(*BEGUN, {"kind": "hangs"})), [job(tmp_path)], retries=0, hang_seconds=30)
    assert "FAILED, as it said nothing for 30 s" in events[-1]["error"]
    assert events[-1]["reason"] == "hang"


def test_on_this_machine_the_tasks_end_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cluster, told = LocalCluster(Request(minutes=5, grace_seconds=1, cpus=1, gpus=0, at_once=1), 1), []

    def hear(event):
        told.append(event["text"])
        if len(told) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ArrayDriver(cluster, "cpu").run(iter([job(tmp_path), job(tmp_path, "bbbb")]), hear)
    assert told[0].startswith("submitted 1 runs in 1 tasks")
    assert told[1:] == ["the tasks on this machine were stopped"]
    assert len(cluster.ended([Listed("", id) for id in cluster._jobs])) == 1


def test_a_search_is_asked_for_its_next_trials_as_tasks_end_and_a_verdict_reaches_its_task(tmp_path):
    """At most so many at once, the rest when it can have learnt from those; nobody waits for the verdict."""
    store, events, asked = Store(tmp_path), [], []

    class Does(Scripted):
        def submit(self, array, folder, tasks, after):
            ids = super().submit(array, folder, tasks, after)
            for task in tasks:
                path = told_path(Path(task.description))
                for name in (run["run"] for job in json.loads(path.with_suffix(".json").read_text())["jobs"]
                             for run in job["runs"]):  # fmt: skip
                    append_json(path, {"kind": "epoch", "run": name})
                    append_json(path, {"kind": "pruned", "run": name})
            return ids

    def jobs():
        yield job(tmp_path, "aaaa")
        for number in range(5):
            asked.append(sum(event["kind"] == "pruned" for event in events))
            yield job(tmp_path, f"bbb{number}", ask=True)

    def hear(event):
        events.append(event)
        return "prune" if event["kind"] == "epoch" and event["run"] != "aaaa" else None

    cluster = Does()
    cluster.request = replace(cluster.request, at_once=2)
    ArrayDriver(cluster, "cpu", hear_seconds=0.0).run(jobs(), hear)
    assert asked == [0, 2, 2, 4, 4]
    assert [len(array) for array in cluster.submitted] == [2, 2, 2]
    told = [line["run"] for path in (store.root / "slurm").glob("*/*.pruned") for line in Tail(path).read()]
    assert sorted(told) == [f"bbb{number}" for number in range(5)]


def test_half_a_line_is_left_for_the_next_time(tmp_path):
    path, story = tmp_path / "0.jsonl", Story()
    tail = Tail(path)
    assert tail.read() == []
    path.write_text('{"kind": "begins", "machine": "m", "pid": 1}\n{"kind": "sta')
    for event in tail.read():
        story.hear(event)
    assert (story.starts, story.begun) == ([("m", 1)], set())
    with path.open("a") as file:
        file.write('rted", "run": "aaaa"}\n')
    assert tail.read() == [{"kind": "started", "run": "aaaa"}]


def test_a_task_that_was_started_too_often_gives_up_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    monkeypatch.setenv("SUBMITIT_LOCAL_JOB_ID", "12")
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    path = tmp_path / "slurm" / "a" / "0.json"
    array_task.describe(path, [job(tmp_path)], device="cpu", requeues=1, hang_seconds=None)
    for event in BEGUN + BEGUN:
        append_json(told_path(path), event)
    ArrayTask(str(path))()
    assert "was stopped 2 times, executor.requeues allows 1" in Store(tmp_path).failure("aaaa")["error"]
    assert [event["kind"] for event in Tail(told_path(path)).read()][-3:] == ["begins", "failed", "leaves"]


# Slurm's words


def command(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def commands(tmp_path, monkeypatch):
    for name in ("sbatch", "srun", "scontrol"):
        command(tmp_path, name, "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    command(tmp_path, "squeue", "echo 'bench-x|5_0'")
    return tmp_path


def test_slurms_own_words_say_how_a_task_ended_and_silence_does_after_a_minute(commands):
    now = [0.0]
    accounts = ["5_1|RUNNING|0:0", "5_[2-4%2]|CANCELLED by 7|0:0", "5_5|FAILED|9:0", "5_5.0|OUT_OF_MEMORY|0:125"]
    command(commands, "sacct", "\n".join(f"echo '{line}'" for line in ["JobID|State|ExitCode", *accounts]))
    cluster = SlurmCluster(Request(minutes=1, grace_seconds=1, cpus=1, gpus=0), 1, clock=lambda: now[0])
    tasks = [Listed("bench-x", f"5_{i}") for i in range(7)]
    first = cluster.ended(tasks)
    cancelled = dict.fromkeys(["5_2", "5_3", "5_4"], "CANCELLED by 7")
    assert {task.id: how.state for task, how in first.items()} == {**cancelled, "5_5": "OUT_OF_MEMORY"}
    now[0] = 61.0  # listed no more, though the accounting lags or does not know it
    assert {task.id for task in cluster.ended(tasks)} == {"5_1", "5_2", "5_3", "5_4", "5_5", "5_6"}
    command(commands, "squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    assert cluster.ended(tasks) == {}
    with pytest.raises(BenchError, match="squeue: slurm_load_jobs error: Unable to contact"):
        cluster.alive()


def test_what_sbatch_refuses_is_one_line(commands, tmp_path, capfd):
    command(commands, "sbatch", "echo 'sbatch: error: Invalid partition name specified' >&2; exit 1")
    cluster = SlurmCluster(Request(minutes=1, grace_seconds=1, cpus=1, gpus=0), 1)
    with pytest.raises(BenchError, match=r"^sbatch refused an array of 2 tasks: .*Invalid partition name specified$"):
        cluster.submit("bench-x", tmp_path / "folder", [ArrayTask("a"), ArrayTask("b")], None)


def test_a_second_array_waits_for_the_first_where_only_so_many_may_run_at_once(commands, tmp_path):
    command(commands, "sbatch", "echo Submitted batch job 7")
    for at_once, words in ((3, "--dependency=afterany:5"), (None, "--array=0-1%2")):
        cluster = SlurmCluster(Request(minutes=1, grace_seconds=1, cpus=1, gpus=2, at_once=at_once), 1)
        folder = tmp_path / f"folder {at_once}"
        assert cluster.submit("bench-x", folder, [ArrayTask("a"), ArrayTask("b")], "5_0") == ["7_0", "7_1"]
        script = (folder / "7_submission.sh").read_text()
        assert words in script
        assert ("dependency" in script) == (at_once is not None)
        assert "--gpus-per-node=2" in script


def test_where_slurm_or_submitit_is_missing_one_line_says_what_to_do(place, monkeypatch, tmp_path):
    plan = planned(place, "missing", SLURM + "}")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        BenchError, match=r"not on the PATH: sbatch, srun, squeue, scontrol; .* executor\.cluster=local"
    ):
        make_executor(plan.suite.executor, 1)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(BenchError, match=r"needs submitit: pip install -e .\[slurm\]"):
        make_executor(plan.suite.executor, 1)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("partitions: a", "did you mean 'partition'?"),
        ("minutes: 3", "3 min is too short: the signal comes grace_seconds (120 s) before the end"),
        ("setup: module load cuda", "must be a list of texts, found 'module load cuda'"),
        ("setup: [1]", "must be a list of texts, found [1]"),
        ("cluster: slrum", "did you mean 'slurm'?"),
    ],
)
def test_mistakes_in_the_options_are_told_before_anything_is_read(tmp_path, option, words):
    path = write_suite(tmp_path / "a.yaml", tmp_path, with_executor(f"executor: {{name: slurm, {option}}}"))
    with pytest.raises(SuiteError) as error:
        load_suite(path)
    assert words in str(error.value)


@pytest.mark.skipif(shutil.which("sbatch") is None, reason="Slurm is not installed here")
def test_the_real_slurm_gives_the_same_bits(place, tmp_path):
    plan = planned(place, "real", "executor: {name: slurm, device: cpu, minutes: 5, runs_per_task: 4}")
    assert run_plan(plan, Store(tmp_path / "results"), command="") == {}
    assert everything(Store(tmp_path / "results")) == everything(Store(place / "here"))
