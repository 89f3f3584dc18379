"""An array task to which something happens while it trains."""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from bench.scheduling.array_task import ArrayTask
from tests.scheduling.fake_slurm import task_file

FAULTS = {
    "time is up": (signal.SIGUSR2, ""),
    "out of memory": (signal.SIGKILL, "OUT_OF_MEMORY|0:125"),
    "preempted": (signal.SIGTERM, "PREEMPTED|0:15"),
    "node lost": (signal.SIGKILL, "REQUEUE"),
}


@dataclass(frozen=True)
class FaultyTask(ArrayTask):
    """A task that meets, in the eighth step of its first training, what ``$FAULTS`` says of its number; each once."""

    def __call__(self):
        fault = json.loads(os.environ["FAULTS"]).get(Path(self.description).stem)
        mark = Path(os.environ["FAKE_SLURM"]) / f"{Path(self.description).stem}.struck"
        if fault and not mark.exists():
            from bench.training.loop import Training

            usual = Training._train_step

            def strike(training):
                usual(training)
                if training._steps_done() == 8 and not mark.exists():
                    mark.touch()
                    number, verdict = FAULTS[fault]
                    if verdict:
                        task_file(os.environ["SLURM_JOB_ID"], "verdict").write_text(verdict)
                    os.kill(os.getpid(), number)

            Training._train_step = strike
        super().__call__()
