"""What commands keep of how they were called."""

import sys

from bench.cli.outcome import command_line


def test_a_password_in_a_url_is_kept_out_of_records(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["bench", "search", "s.yaml", "--storage", "postgresql://me:p@ss:w@host:5432/db"])
    assert command_line() == "python -m bench search s.yaml --storage postgresql://me:***@host:5432/db"
    monkeypatch.setattr(sys, "argv", ["bench", "run", "s.yaml", "--set", "data.root=a:b@c"])
    assert command_line() == "python -m bench run s.yaml --set data.root=a:b@c"
