"""The Ray executor on a cluster of several simulated nodes of this machine."""

import json
import queue
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from bench.errors import BenchError, DeviceError, StoreError, SuiteError
from bench.records import write_bytes
from bench.scheduling import ray_files, ray_worker
from bench.scheduling.execute import InProcess
from bench.scheduling.jobs import Setting
from bench.scheduling.leases import holder, take
from bench.scheduling.plan import make_plan
from bench.scheduling.ray_cluster import GIB, Request, connected, one_line
from bench.scheduling.ray_files import SentRun, receive_run, send_file, send_run
from bench.scheduling.ray_jobs import RayWorkers
from bench.scheduling.same_code import code_difference, code_identity
from bench.scheduling.suite_run import make_jobs, run_plan
from bench.store import Store
from bench.suite.suite import load_suite
from tests.scheduling.planned import eventually
from tests.tiny import SUITE, write_root, write_suite

ROOT = Path(__file__).parents[2]


class Place:
    """A data root with its cache, and a Ray cluster: a head without room for runs, and nodes with a CPU each."""

    def __init__(self, folder):
        from ray.cluster_utils import Cluster

        self.folder, self.root = folder, write_root(folder / "root")
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self.added = 0
        self.nodes = [self.add_node(), self.add_node()]

    def add_node(self):
        self.added += 1
        cache = self.folder / f"cache of node {self.added}"
        node = self.cluster.add_node(num_cpus=1, env_vars={"BENCH_CACHE": str(cache)})
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # which simulated nodes take for themselves
        return node

    def lose_the_busy_node(self):
        (worker,) = workers()
        (node,) = [node for node in self.nodes if worker.ppid() in [p.pid for _, p in node.live_processes()]]
        self.nodes.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)
        assert psutil.wait_procs([worker], timeout=30)[1] == []

    def plan(self):
        return make_plan(load_suite(write_suite(self.folder / "tiny.yaml", self.root), []))

    def executor(self, retries=1, hang_seconds=None, **options):
        return RayWorkers(Setting("cpu", 1, retries, hang_seconds), self.cluster.address, **options)


def family():
    return psutil.Process().children(recursive=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        patch.setenv("PYTHONPATH", str(ROOT))  # the nodes import what is tested
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        before, place = family(), None
        try:
            place = Place(folder)
            yield place
        finally:
            started = [process for process in family() if process not in before]
            if place is not None:
                place.cluster.shutdown()
            _, alive = psutil.wait_procs(started, timeout=30)
            for process in alive:
                process.kill()
    assert not alive


@pytest.fixture(scope="module")
def expected(place):
    """What the in-process twin makes of the suite."""
    store = Store(place.folder / "expected")
    assert run_plan(place.plan(), store, command="", executor=InProcess()) == {}
    return outcome(store)


def outcome(store):
    """By run: digest of the weights, and every evaluation's record but its time."""
    found = {}
    for run in store.run_ids():
        folder = store.evaluation_folder(run)
        records = {path.stem: store.evaluation(run, path.stem) for path in sorted(folder.glob("*.json"))}
        for key, record in records.items():
            assert store.evaluation_arrays(run, key)
            del record["seconds"]
        found[run] = (store.result(run)["weights_sha256"], json.dumps(records, sort_keys=True))
    return found


def workers():
    return [process for process in family() if "RayWorker" in " ".join(process.cmdline())]


# what no cluster is needed for


@pytest.mark.parametrize(
    ("request_", "resources", "room"),
    [
        (Request(1, 0.0, None), {"CPU": 4.0}, 4),
        (Request(3, 0.0, None), {"CPU": 8.0}, 2),
        (Request(1, 0.3, None), {"CPU": 16.0, "GPU": 2.0}, 6),
        (Request(1, 1 / 3, None), {"CPU": 16.0, "GPU": 1.0}, 3),
        (Request(4, 0.5, None), {"CPU": 4.0, "GPU": 8.0}, 1),
        (Request(1, 1.0, None), {"CPU": 16.0}, 0),
        (Request(1, 0.0, 3 * GIB), {"CPU": 16.0, "memory": 8.0 * GIB}, 2),
    ],
)
def test_a_node_has_room_for_as_many_as_fit_in_each_of_its_resources(request_, resources, room):
    assert request_.fits(resources) == room


def test_without_ray_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BenchError, match=r"needs the package ray: pip install -e \.\[ray\]"), connected(None):
        pass


@pytest.mark.parametrize("address", ["ray://somewhere:10001", "somewhere", "somewhere:port"])
def test_an_address_of_another_form_is_refused(address):
    with pytest.raises(BenchError, match=r"must be HOST:PORT, auto or null, found"), connected(address):
        pass


@pytest.fixture
def nobody():
    """An address where nobody listens, and nobody will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_an_address_where_nobody_listens_is_one_line_at_once(nobody):
    with pytest.raises(BenchError, match=f"nobody answers at {nobody}: Connection refused"), connected(nobody):
        pass


def test_an_address_that_a_dead_cluster_left_is_one_line_at_once(nobody, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    write_bytes(tmp_path / "ray" / "ray_current_cluster", nobody.encode())
    with pytest.raises(BenchError, match=f"nobody answers at {nobody} .*/ray_current_cluster"), connected("auto"):
        pass
    monkeypatch.setenv("RAY_ADDRESS", "head")
    with pytest.raises(BenchError, match=r"must be HOST:PORT, auto or null, found 'head' \(\$RAY_ADDRESS\)"):
        connected("auto").__enter__()


def test_nothing_to_do_needs_no_cluster(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    RayWorkers(Setting()).run(iter(()), lambda event: None)


def test_a_suite_names_the_executor_with_its_options_and_unknown_ones_are_refused(tmp_path):
    def executor(text):
        suite = SUITE.replace("{device: cpu, slots: 2}", text)
        return load_suite(write_suite(tmp_path / "tiny.yaml", tmp_path, suite), []).executor

    assert executor("ray").options == {"address": None, "share": 1.0, "memory": None, "slots": None, "files": "auto"}
    assert executor("{name: ray, address: 'head:6379', memory: 2}").options["memory"] == 2
    with pytest.raises(SuiteError, match="did you mean 'address'"):
        executor("{name: ray, adress: auto}")


def test_other_code_is_told_by_what_differs():
    mine = code_identity()
    assert code_difference(mine, dict(mine)) is None
    assert code_difference(mine, {**mine, "semantics": "1"}) == f"semantics 1 instead of {mine['semantics']}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("The actor died unexpectedly.\n\tid: 1\nThe actor is dead because its node died. Ids: 2", "its node died"),
        (
            "The actor died because of an error in its creation, 1\n  ^^^\nRuntimeError: not here",
            "RuntimeError: not here",
        ),
        ("Token authentication is enabled\nsee the manual", "Token authentication is enabled"),
        ("", "ValueError"),
    ],
)
def test_an_error_of_rays_is_told_by_the_line_that_says_why(text, line):
    assert one_line(ValueError(text)).endswith(line)


PROBES = {"/results/.probe": "x", "/cache/.probe": "x"}


@pytest.mark.parametrize(
    ("files", "sees", "works_in"),
    [
        ("auto", {"/results/.probe", "/cache/.probe"}, (True, True)),
        ("auto", {"/results/.probe"}, (True, False)),
        ("auto", {}, (False, False)),
        ("shared", {"/results/.probe", "/cache/.probe"}, (True, True)),
        ("sent", {"/results/.probe", "/cache/.probe"}, (False, False)),
    ],
)
def test_a_worker_works_in_the_folders_that_it_sees_unless_files_are_sent(files, sees, works_in):
    hello = ray_worker.Hello(code_identity(), frozenset(sees), "0123456789")
    assert ray_worker.folders_seen(hello, code_identity(), PROBES, files) == works_in


def test_a_worker_that_does_not_see_what_it_must_or_runs_other_code_is_refused_by_its_node():
    hello = ray_worker.Hello(code_identity(), frozenset({"/cache/.probe"}), "0123456789")
    with pytest.raises(BenchError, match="shared, but node 01234567 of the Ray cluster does not see /results"):
        ray_worker.folders_seen(hello, code_identity(), PROBES, "shared")
    with pytest.raises(BenchError, match="node 01234567 of the Ray cluster runs another bench: metrics 1 instead of 2"):
        ray_worker.folders_seen(replace(hello, code={**hello.code, "metrics": "1"}), code_identity(), PROBES, "auto")


# files without shared folders


@pytest.fixture
def object_store(monkeypatch):
    """An object store that hands back what is put into it."""
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(put=lambda value: value, get=lambda chunk: chunk))
    monkeypatch.setattr(ray_files, "CHUNK_BYTES", 3)


@pytest.fixture
def there(tmp_path):
    """A store with a run that has begun."""
    store = Store(tmp_path / "there")
    store.append_event("a", {"kind": "epoch", "epoch": 1})
    write_bytes(store.checkpoint_folder("a") / "training.safetensors", b"0123456789")
    write_bytes(store.run_folder("a") / "lease.000001", b"its own")
    return store


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_folder_arrives_as_it_was_but_for_its_leases_and_then_only_what_is_new(tmp_path, object_store, there):
    here = Store(tmp_path / "here")
    first = send_run(there, "a", {})
    receive_run(here, "a", first)
    assert tree(here.run_folder("a")) == {k: v for k, v in tree(there.run_folder("a")).items() if k[:5] != "lease"}
    there.write_result("a", {"run": "a"})
    there.clear_checkpoint("a")
    second = send_run(there, "a", {name: file.sha256 for name, file in first.files.items()})
    assert (list(second.files), second.gone) == (["result.json"], ("checkpoint/training.safetensors",))
    receive_run(here, "a", second)
    assert sorted(tree(here.run_folder("a"))) == ["events.jsonl", "result.json"]


@pytest.mark.parametrize(
    "name",
    ["../b.json", "/b.json", "checkpoint/../../b.json", "lease.000002", "other/b.json", ".b.json", "b.json\n", "b", ""],
)
def test_a_name_that_is_none_of_a_runs_files_is_refused_and_nothing_changes(tmp_path, object_store, there, name):
    before = tree(tmp_path)
    whole = send_run(there, "a", {}).files
    with pytest.raises(StoreError, match="not the name of a run's file"):
        receive_run(there, "a", SentRun({**whole, name: whole["events.jsonl"]}))
    with pytest.raises(StoreError, match="not the name of a run's file"):
        receive_run(there, "a", SentRun({}, (name,)))
    assert tree(tmp_path) == before


@pytest.mark.parametrize("content", [b"012345678", b"0123456780", b"01234567890"])
def test_other_bytes_than_announced_are_refused_and_nothing_changes(tmp_path, object_store, there, content):
    announced = send_run(there, "a", {}).files
    name = "checkpoint/training.safetensors"
    (tmp_path / "other").write_bytes(content)
    chunks = send_file(tmp_path / "other").chunks
    before = tree(there.root)
    with pytest.raises(StoreError, match=r"other bytes arrived than were announced \(10 bytes\)"):
        receive_run(there, "a", SentRun({**announced, name: replace(announced[name], chunks=chunks)}))
    assert tree(there.root) == before


def test_the_result_is_the_last_to_arrive(tmp_path, monkeypatch, object_store, there):
    there.write_result("a", {"run": "a"})
    write_bytes(there.run_folder("a") / "stays.json", b"{}")
    sent, arrived, move = send_run(there, "a", {}), [], Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, to: (arrived.append(path.name), move(path, to)))
    receive_run(Store(tmp_path / "here"), "a", sent)
    assert len(arrived) == 4
    assert arrived[-1] == "result.json"


def test_a_checkpoint_is_sent_now_and_then_and_everything_before_the_end_is_told(monkeypatch, object_store, there):
    told = queue.SimpleQueue()
    home = ray_worker.Home(there, told, {"a": {}})
    home.tell({"run": "a", "kind": "step"})
    assert told.get()["kind"] == "step"
    monkeypatch.setattr(ray_worker, "SEND_SECONDS", 0.0)
    home.tell({"run": "a", "kind": "step"})
    assert "checkpoint/training.safetensors" in told.get()["files"].files
    assert told.get()["kind"] == "step"
    monkeypatch.setattr(ray_worker, "SEND_SECONDS", 60.0)
    there.write_result("a", {"run": "a"})
    home.tell({"run": "a", "kind": "done"})
    assert list(told.get()["files"].files) == ["result.json"]
    assert told.get()["kind"] == "done"


# with a cluster


def do_asking(place, store, executor, at_first_epoch, jobs=None):
    """Does the suite with jobs that wait after every epoch, and something while the first one waits."""
    events = []

    def hear(event):
        events.append(event)
        if [e["kind"] for e in events].count("epoch") == 1 and event["kind"] == "epoch":
            at_first_epoch()

    executor.run(jobs or make_jobs(place.plan().runs, store, ask=True), hear)
    return events


def test_a_node_is_lost_in_the_middle_and_the_suite_is_done_with_the_same_bits(place, expected):
    store = Store(place.folder / "lost")
    events = do_asking(place, store, place.executor(slots=1), place.lose_the_busy_node)
    place.nodes.append(place.add_node())
    assert outcome(store) == expected
    assert [event["kind"] for event in events].count("retry") == 1
    assert not list(store.root.glob(".probe*"))


def test_without_shared_folders_a_run_gives_the_same_and_its_events_come_in_order(place, expected):
    store, events = Store(place.folder / "sent"), []
    executor = place.executor(files="sent")
    assert run_plan(place.plan(), store, command="", executor=executor, on_event=events.append) == {}
    assert outcome(store) == expected
    for run in expected:
        passing = ("step", "embedding", "warning")  # a busy machine may say that no node has room yet
        told = [event["kind"] for event in events if event["run"] == run and event["kind"] not in passing]
        assert told == ["started", "epoch", "epoch", *["evaluating", "evaluated"] * 4, "done"]
        kept = ["started", "epoch", "epoch", *["evaluated"] * 4, "done"]
        assert [event["kind"] for event in store.events(run)] == kept
    assert list(place.folder.glob("cache of node */packed/*/images.u8"))


def test_sigterm_lets_a_worker_checkpoint_even_without_shared_folders_and_the_run_goes_on_from_there(place, expected):
    store = Store(place.folder / "stopped")
    executor = place.executor(slots=1, files="sent")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        do_asking(place, store, executor, lambda: signal.raise_signal(signal.SIGTERM))
    assert signal.getsignal(signal.SIGTERM) == before
    (begun,) = store.run_ids()
    assert [event["kind"] for event in store.events(begun)] == ["started", "epoch", "stopped"]
    assert run_plan(place.plan(), store, command="", executor=InProcess()) == {}
    (resumed,) = [event for event in store.events(begun) if event["kind"] == "resumed"]
    assert (resumed["epoch"], resumed["step"]) == (2, 1)
    assert outcome(store) == expected


def patient():
    """A setting whose patience a test ends when it knows that there is something to wait for."""
    return SimpleNamespace(device="cpu", threads=1, retries=1, hang_seconds=None, processes=1)


def test_a_worker_that_hangs_is_killed_and_its_run_is_tried_again(place, expected):
    store, setting, events = Store(place.folder / "hung"), patient(), []
    hung = []

    def hear(event):
        events.append(event)
        if event["kind"] == "epoch" and not hung:
            hung.extend(workers())
            hung[0].suspend()
            setting.hang_seconds = 1.0
        if event["kind"] == "retry":
            setting.hang_seconds = None

    executor = RayWorkers(setting, place.cluster.address, slots=1)
    executor.run(make_jobs(place.plan().runs, store, ask=True), hear)
    (again,) = [event["error"] for event in events if event["kind"] == "retry"]
    assert again == "the worker process said nothing for 1 s and was killed"
    assert outcome(store) == expected
    assert psutil.wait_procs(hung, timeout=30)[1] == []


def test_a_run_that_another_process_took_over_is_left_to_it(place):
    store = Store(place.folder / "taken")
    run = place.plan().runs[0]
    folder = store.run_folder(run.run)
    taken = []
    jobs = make_jobs([run], store, ask=True)
    executor = place.executor(files="sent")
    events = do_asking(place, store, executor, lambda: taken.append(take(folder, stale=holder(folder).mark)), jobs)
    assert taken[0].held()
    taken[0].give_back()
    assert events[-1] == {"run": run.run, "kind": "elsewhere"}
    assert store.result(run.run) is None


def test_a_cancelled_run_is_stopped_or_not_begun_where_workers_see_no_mark(place):
    store = Store(place.folder / "cancelled")
    first, second = place.plan().runs[:2]
    folder = store.run_folder(first.run)
    store.cancel(second.run)

    def cancel():
        store.cancel(first.run)
        beat = holder(folder).beat
        eventually(lambda: holder(folder).beat > beat)

    executor = place.executor(slots=1, files="sent")
    events = do_asking(place, store, executor, cancel, make_jobs([first, second], store, ask=True))
    ends = [(event["run"], event["kind"]) for event in events if event["kind"] in ("stopped", "cancelled", "done")]
    assert ends == [(first.run, "stopped"), (second.run, "cancelled")]
    assert [event["kind"] for event in store.events(first.run)] == ["started", "epoch", "stopped"]
    assert not store.events(second.run)
    assert store.state(first.run, []) == "cancelled"


def test_results_are_not_put_aside_by_workers_that_do_not_see_them(place):
    store = Store(place.folder / "superseded")
    with pytest.raises(BenchError, match="every worker must see the results folder"):
        run_plan(place.plan(), store, command="", executor=place.executor(files="sent"), same_class=True)


def test_what_no_node_has_is_one_line_before_anything_starts(place):
    store = Store(place.folder / "infeasible")
    with pytest.raises(DeviceError, match=r"a run asks for 64 CPUs, but no node .* has that: .*2 with 1 CPUs"):
        run_plan(place.plan(), store, command="", executor=RayWorkers(Setting("cpu", 64), place.cluster.address))
    with pytest.raises(DeviceError, match="no node of the Ray cluster has a GPU; use auto or cpu"):
        run_plan(place.plan(), store, command="", executor=RayWorkers(Setting("cuda"), place.cluster.address))


def test_when_no_node_is_left_that_is_told_and_given_up_by_name(place):
    store, setting, events = Store(place.folder / "alone"), patient(), []
    run = place.plan().runs[0]

    def hear(event):
        events.append(event)
        if event["kind"] == "epoch":
            while place.nodes:
                place.cluster.remove_node(place.nodes.pop(), allow_graceful=False)
            setting.hang_seconds = 1.0

    executor = RayWorkers(setting, place.cluster.address)
    with pytest.raises(BenchError, match=f"no node of the Ray cluster had 1 CPU for 1 s; given up: {run.run};"):
        executor.run(make_jobs([run], store, ask=True), hear)
    assert [event["kind"] for event in events][-3:] == ["retry", "warning", "failed"]
    assert store.failure(run.run)["reason"] == "hang"
