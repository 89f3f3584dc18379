"""A slow twin of every gate: one module each, named like the gate, with ``slow(gate, sample, state, label)``.

An installed package's twins are found in folders of this name on the path.
"""

from __future__ import annotations

import importlib
import pkgutil

__path__ = pkgutil.extend_path(__path__, __name__)


def slow_gate(name):
    return importlib.import_module(f"slow_gates.{name}").slow
