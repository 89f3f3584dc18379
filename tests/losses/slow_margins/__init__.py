"""A slow twin of every margin: one module each, named like the margin, with a class ``Slow``.

An installed package's twins are found in folders of this name on the path.
"""

from __future__ import annotations

import importlib
import pkgutil

__path__ = pkgutil.extend_path(__path__, __name__)


def slow_margin(name):
    return importlib.import_module(f"slow_margins.{name}").Slow
