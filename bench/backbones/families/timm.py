"""Every model of timm, as ``timm/<its name there>``; the names come from a committed list, so timm is not imported."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.backbones.families._options import DROPOUT, EMBEDDING, KeywordOptions
from bench.catalog import BACKBONES

if TYPE_CHECKING:
    from torch import nn

NAMES_FILE = Path(__file__).parent.parent / "timm_names.txt"
OPTIONS = (
    EMBEDDING,
    DROPOUT,
    KeywordOptions("options", None, "options of the model itself, handed to timm.create_model as they are"),
)


def timm_model(
    name: str, *, pixels: int, embedding: int, dropout: float, options: Mapping[str, Any] | None
) -> nn.Module:
    from bench.backbones.timm_models import TimmBackbone

    return TimmBackbone(name, pixels=pixels, embedding=embedding, dropout=dropout, options=options or {})


def _register_all() -> None:
    for name in NAMES_FILE.read_text(encoding="utf-8").split():
        register = BACKBONES.register(
            f"timm/{name}", summary=f"timm's {name}", source="timm", options=OPTIONS, library="timm"
        )
        register(partial(timm_model, name))


_register_all()
