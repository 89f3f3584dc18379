"""Following a run while others write about it."""

from bench.scheduling.follow import told
from bench.scheduling.leases import take
from bench.store import Store


def in_turn(steps):
    """Each time it waits, the next thing happens."""

    def wait():
        next(steps)()

    return wait


def test_what_is_new_is_told_once_until_the_run_has_ended(tmp_path):
    store = Store(tmp_path)
    lease = take(store.run_folder("r"))
    steps = iter(
        [
            lambda: store.append_event("r", {"kind": "started"}),
            lambda: store.log_path("r").write_text("first\n"),
            lambda: (store.append_event("r", {"kind": "failed"}), store.log_path("r").write_text("first\nlast\n")),
            lease.give_back,
        ]
    )
    found = [item if isinstance(item, str) else item["kind"] for item in told(store, "r", in_turn(steps))]
    assert found == ["started", "first", "failed", "last"]
    assert next(steps, None) is None


def test_a_run_that_nobody_works_at_is_waited_for_unless_it_has_ended(tmp_path):
    store = Store(tmp_path)
    store.append_event("r", {"kind": "started"})
    steps = iter([lambda: None, lambda: store.cancel("r")])
    assert len(list(told(store, "r", in_turn(steps)))) == 1
    assert next(steps, None) is None
    assert len(list(told(store, "r"))) == 1


def test_a_run_that_is_trained_anew_is_told_from_its_beginning(tmp_path):
    store = Store(tmp_path)
    for kind in ("started", "epoch", "done"):
        store.append_event("r", {"kind": kind})
    lease = take(store.run_folder("r"))

    def anew():
        store.supersede("r")
        store.append_event("r", {"kind": "superseded"})
        store.append_event("r", {"kind": "done"})
        lease.give_back()

    steps = iter([anew])
    found = [item["kind"] for item in told(store, "r", in_turn(steps))]
    assert found == ["started", "epoch", "done", "superseded", "done"]
