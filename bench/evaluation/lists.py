"""What a protocol compares, without its images: all that embeddings or scores need to be measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.data.protocols import PackedProtocol, template_identity
from bench.data.types import Bool, Int, Protocol


@dataclass(frozen=True, eq=False)
class ProtocolLists:
    """A protocol without its pixels; see ``Protocol`` for ``template``, ``pairs``, ``same``, ``fold`` and ``media``.

    ``images``: N names; ``template_names``: T. ``identity``: (T,) int64, whose face a template shows; where ``named``
    is False it is made up from the genuine pairs, so that one person may have several.
    """

    images: Sequence[str]
    template: Int
    template_names: Sequence[str]
    pairs: Int
    same: Bool
    fold: Int | None
    identity: Int
    media: Int | None = None
    named: bool = True

    def digest(self) -> str:
        """sha256, in hex, over names, templates, media, pairs, labels and folds; not over any image."""
        total = hashlib.sha256(json.dumps(["comparison", 1, self.images, self.template_names, self.named]).encode())
        for key in ("template", "media", "pairs", "same", "fold"):
            array = getattr(self, key)
            if array is not None:
                total.update(json.dumps([key, array.shape]).encode())
                total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()


def lists_of(protocol: Protocol | PackedProtocol) -> ProtocolLists:
    """What a protocol compares. Raises DataError where it contradicts itself."""
    if isinstance(protocol, PackedProtocol):
        identity, named = protocol.template_identity, protocol.named
    else:
        identity, named = template_identity(protocol), protocol.images.named
    return ProtocolLists(
        images=protocol.images.files,
        template=protocol.template,
        template_names=protocol.template_names,
        pairs=protocol.pairs,
        same=protocol.same,
        fold=protocol.fold,
        identity=identity,
        media=protocol.media,
        named=named,
    )
