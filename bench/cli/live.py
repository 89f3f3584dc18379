"""The live view: a bar per run on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class Live:
    """Shows what is prepared and what runs. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        self.console, self.fancy = console, console.is_terminal
        self.bars: dict[str, TaskID] = {}
        self.names: dict[str, str] = {}
        self.total = 0
        self.ended: set[str] = set()
        self.begun = self.told = time.monotonic()
        self.suite: TaskID | None = None
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[what]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not self.fancy,
        )

    def __enter__(self) -> Live:
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.progress.stop()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self.console.print("stopped; run the same command again to go on", markup=False)

    def preparing(self, what: str, done: int, total: int) -> None:
        """Progress of rendering or packing."""
        if self.fancy:
            if what not in self.bars:
                self.bars[what] = self.progress.add_task(what, total=total, what="")
            self.progress.update(self.bars[what], completed=done, total=total, what=f"{done}/{total}")
            if done >= total:
                self.progress.remove_task(self.bars.pop(what))
        elif done >= total or time.monotonic() - self.told > 10:
            self.told = time.monotonic()
            self.console.print(f"{what}: {done}/{total}", markup=False)

    def begin(self, names: dict[str, str], done: int, cancelled: int = 0) -> None:
        """Says which runs are about to be done: id → name; and how many of the suite were done before or cancelled."""
        self.names, self.total, self.begun = names, len(names), time.monotonic()
        self.ended.clear()
        left_out = f", {cancelled} cancelled and left out (`bench retry` does them)" if cancelled else ""
        self.console.print(f"{len(names)} runs to do, {done} done before{left_out}", markup=False)
        if self.fancy and names:
            self.suite = self.progress.add_task("suite", total=len(names), what="")

    def event(self, event: dict[str, Any]) -> None:
        run, kind = event["run"], event["kind"]
        name = self.names.get(run, run)
        if kind in ("step", "epoch") and self.fancy:
            if run not in self.bars:
                self.bars[run] = self.progress.add_task(name, total=event["epochs"], what="")
            part = event["epoch"] if kind == "epoch" else event["epoch"] - 1 + event["step"] / event["steps"]
            loss = f"  loss {event['loss']:.3f}" if "loss" in event else ""
            what = f"epoch {event['epoch']}/{event['epochs']}{loss}  {event['images_per_second']:.0f} images/s"
            self.progress.update(self.bars[run], completed=part, what=what)
        elif kind in ("done", "failed", "cancelled", "pruned", "stopped"):
            self.ended.add(run)
            finished = len(self.ended)
            if run in self.bars:
                self.progress.remove_task(self.bars.pop(run))
            left = (time.monotonic() - self.begun) / finished * (self.total - finished)
            if self.suite is not None:
                self.progress.update(self.suite, completed=finished, what=f"{finished}/{self.total} runs")
            reason = f": {event['error']}" if kind == "failed" else ""
            eta = f", about {left / 60:.1f} min left" if finished < self.total else ""
            of = f"/{self.total}" if self.total else ""  # a search does not know beforehand
            self.console.print(f"[{finished}{of}] {kind} {run} {name}{reason}{eta}", markup=False)
        elif kind == "warning":
            self.console.print(f"warning: {run} {name}: {event['text']}", markup=False)
        elif kind == "superseded":
            text = f"again: {run} {name}: trained in another execution class ({event['differs']})"
            self.console.print(f"{text}; kept in {event['kept']}", markup=False)
        elif kind == "elsewhere":
            self.console.print(f"another process works at {run} {name}; waiting for it", markup=False)
        elif kind == "retry":
            self.console.print(f"again: {run} {name}: {event['error']}", markup=False)
        elif kind == "named":
            self.names[run] = event["name"]
        elif kind == "note":
            self.console.print(event["text"], markup=False)
