"""Made-up suites in a store: runs with ids, of which none trains."""

import time

from bench.records import digest
from bench.store import Store

OPTIONS = {"flip": True}


def eventually(found, seconds=30):
    """Waits until ``found()`` is true."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ids(count, first=0):
    return [digest(["made up", i]) for i in range(first, first + count)]


def asked_record(run, seed=0, protocol="lfw"):
    return {
        "run": run, "seed": seed, "cell": "c", "baseline": "c", "axes": {"margin": "arcface"},
        "config": {"seed": seed, "train": {"digest": "0" * 64}}, "evaluations": {protocol: digest([run, protocol])},
        "protocols": {protocol: "1" * 64}, "options": OPTIONS, "processes": 1,
    }  # fmt: skip


def write_suite_plan(store: Store, name, runs, protocol="lfw"):
    records = [asked_record(run, seed, protocol) for seed, run in enumerate(runs)]
    store.write_plan(name, {"suite": name, "title": name, "file": f"suites/{name}.yaml", "runs": records})
    return records


def finish(store: Store, record):
    """Trained, and evaluated as the record asks."""
    run = record["run"]
    store.append_event(run, {"kind": "started"})
    store.append_event(run, {"kind": "epoch", "epoch": 2, "epochs": 2, "images_per_second": 100.0})
    store.write_result(run, {"run": run, "execution_class": {"device": "cpu"}})
    for protocol, key in record["evaluations"].items():
        store.write_evaluation(run, key, {"protocol": protocol, "metrics": {}}, {})
    store.append_event(run, {"kind": "done"})
