"""Slurm's commands as far as array tasks need them: they really run the tasks, as processes of this machine.

``install(folder)`` makes the commands; all they know is in ``$FAKE_SLURM``: a folder ``<job>`` for each submission with
its script, and for each task a state. What befalls a task is the task's own doing: see ``faulty_task.py``.
"""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = ("sbatch", "srun", "squeue", "sacct", "scontrol")
NODES = 2


def install(bin_folder, state):
    """Makes the commands; returns the variables that they need."""
    root = Path(__file__).parents[2]
    bin_folder.mkdir()
    state.mkdir()
    for name in COMMANDS:
        script = bin_folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-S", __file__, name])} "$@"\n')
        script.chmod(0o755)
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "FAKE_SLURM": str(state), "PYTHONPATH": str(root)}


def task_file(task, kind):
    job, _, number = task.partition("_")
    return state() / job / f"{number or 0}.{kind}"


def state():
    return Path(os.environ["FAKE_SLURM"])


def flags(job):
    """The #SBATCH flags of a submitted script."""
    lines = (state() / job / "script.sh").read_text().splitlines()
    parts = [shlex.split(line)[1].removeprefix("--").partition("=") for line in lines if line.startswith("#SBATCH")]
    return {name: value for name, _, value in parts}


def sbatch(script):
    job = str(100 + len([path for path in state().iterdir() if path.is_dir()]))
    (state() / job).mkdir()
    (state() / job / "script.sh").write_text(Path(script).read_text())
    array = flags(job).get("array", "")
    count = int(array.partition("%")[0].rpartition("-")[2]) + 1 if array else 1
    for number in range(count):
        put(job, number, "PENDING", "0:0")
    with (state() / job / "controller.log").open("w") as log:
        subprocess.Popen(
            [sys.executable, __file__, "controller", job], start_new_session=True, stdout=log, stderr=log,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    say(f"Submitted batch job {job}")


def say(line):
    sys.stdout.write(line + "\n")


def put(job, number, what, code):
    path = state() / job / f"{number}.state"
    path.with_suffix(".new").write_text(f"{what}|{code}")
    path.with_suffix(".new").replace(path)


def tasks():
    """Every task: its id, the name of its job, its state and exit code."""
    for path in sorted(state().glob("*/*.state")):
        job, asked = path.parent.name, flags(path.parent.name)
        id = f"{job}_{path.stem}" if "array" in asked else job
        yield id, asked["job-name"], *path.read_text().split("|")


def controller(job):
    """Starts the tasks of a job, a few at a time, and says what became of each."""
    waiting = sorted(int(path.stem) for path in (state() / job).glob("*.state"))
    array = flags(job).get("array", "")
    most = min(NODES, int(array.rpartition("%")[2] or NODES))
    running, restarts = {}, dict.fromkeys(waiting, 0)
    while waiting or running:
        while waiting and len(running) < most:
            number = waiting.pop(0)
            id = f"{job}_{number}" if array else job
            variables = {**os.environ, "SLURM_JOB_ID": id, "SLURM_RESTART_COUNT": str(restarts[number])}
            if array:
                variables |= {"SLURM_ARRAY_JOB_ID": job, "SLURM_ARRAY_TASK_ID": str(number)}
            put(job, number, "RUNNING", "0:0")
            running[number] = subprocess.Popen(["/bin/bash", state() / job / "script.sh"], env=variables)
        for number, process in list(running.items()):
            if process.poll() is None:
                continue
            del running[number]
            verdict = task_file(f"{job}_{number}", "verdict")
            said = verdict.read_text() if verdict.exists() else ""
            verdict.unlink(missing_ok=True)
            if said == "REQUEUE":
                restarts[number] += 1
                waiting.append(number)
                put(job, number, "PENDING", "0:0")
            elif said:
                put(job, number, *said.split("|"))
            else:
                put(job, number, "FAILED" if process.returncode else "COMPLETED", f"{process.returncode}:0")
        time.sleep(0.02)


def srun(*words):
    """Runs the command in this very process, so that its signals are those of the task."""
    words = list(words)
    streams = {"--output": 1, "--error": 2}
    while words[0].startswith("-"):
        word = words.pop(0)
        if word in streams:
            job, _, number = os.environ["SLURM_JOB_ID"].partition("_")
            names = {"%A": job, "%a": number, "%j": job, "%t": "0"}
            path = words.pop(0)
            for name, value in names.items():
                path = path.replace(name, value)
            os.dup2(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY), streams[word])
    os.execvp(words[0], words)


def squeue(*words):
    for id, name, what, _ in tasks():
        if what in ("PENDING", "RUNNING"):
            say(f"{name}|{id}")


def sacct(*words):
    say("JobID|State|ExitCode")
    for id, _, what, code in tasks():
        say(f"{id}|{what}|{code}")
        say(f"{id}.batch|{what}|{code}")


def scontrol(action, id):
    assert action == "requeue"
    task_file(id, "verdict").write_text("REQUEUE")


if __name__ == "__main__":
    name, *words = sys.argv[1:]
    if name != "controller":
        with (state() / "commands.log").open("a") as log:
            log.write(shlex.join([name, *words]) + "\n")
    globals()[name](*words)
