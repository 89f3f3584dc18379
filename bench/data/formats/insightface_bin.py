"""InsightFace's verification files: ``lfw.bin``, ``cfp_fp.bin``, ``agedb_30.bin``, ``calfw.bin``, ``cplfw.bin``, …"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from bench.catalog import FORMATS, Option
from bench.data.containers.bin import BinFile
from bench.data.types import Bool, ImageList, Int, Protocol
from bench.errors import DataError


@FORMATS.register(
    "bin",
    summary="InsightFace's verification file: pickled image pairs (lfw.bin, cfp_fp.bin, agedb_30.bin, …)",
    source="Deng et al.: ArcFace, CVPR 2019; the verification sets of its code base",
    options=(
        Option("folds", 10, "folds of consecutive pairs, as InsightFace's evaluation cuts them", minimum=2),
        Option("channels", None, "order of raw colour pixels, if any", kind=str, choices=("rgb", "bgr")),
    ),
    provides="protocol",
)
def insightface_bin(root: Path, *, folds: int = 10, channels: str | None = None) -> Protocol:
    """Reads the file ROOT as a protocol named by it (``lfw.bin``: lfw), its pairs in order.

    A template is an image; images that are the same bytes are one. The file names nobody: an identity is what genuine
    pairs connect, so one person may count as several, and only the pairs themselves are known to be genuine or
    impostor. Where such a group holds an impostor pair its labels contradict each other; published files have such
    pairs, so all are kept as they are labelled, and the images of that group are told apart pair by pair. Raises
    DataError for what is no such file, and for fewer pairs than folds.
    """
    if root.is_dir():
        found = ", ".join(sorted(file.name for file in root.glob("*.bin"))[:5]) or "none"
        raise DataError(f"{root} is a folder; expected a .bin file (in it: {found})")
    container = BinFile(root, channels)
    same = container.same
    if len(same) < folds:
        raise DataError(f"{root} holds {len(same)} pairs, too few for {folds} folds")
    images = _distinct(container)
    labels = _groups(images, same)
    images, labels = _apart(images, labels, same)
    kept, template = np.unique(images, return_inverse=True)
    identities, labels = np.unique(labels[kept], return_inverse=True)
    names = tuple(np.array(container.names)[kept].tolist())
    return Protocol(
        name=root.stem,
        images=ImageList(
            root=root,
            files=names,
            labels=labels.astype(np.int64),
            identities=tuple(map(str, range(len(identities)))),
            container=container,
            named=False,
        ),
        template=np.arange(len(kept)),
        template_names=names,
        pairs=template.reshape(-1, 2).astype(np.int64),
        same=same,
        fold=consecutive_folds(len(same), folds),
    )


def consecutive_folds(pairs: int, folds: int) -> Int:
    """(P,) fold of each pair: stretches, the first ``pairs % folds`` one longer (scikit-learn's KFold, unshuffled)."""
    sizes = np.full(folds, pairs // folds)
    sizes[: pairs % folds] += 1
    return np.repeat(np.arange(folds), sizes)


def _distinct(container: BinFile) -> Int:
    """(2·P,) for each image of the file, the first one that is the same."""
    first: dict[bytes, int] = {}
    distinct = []
    for i, name in enumerate(container.names):
        image = container.read(name)
        encoded = image if isinstance(image, bytes) else repr(image.shape).encode() + image.tobytes()
        distinct.append(first.setdefault(hashlib.sha256(encoded).digest(), i))
    return np.array(distinct, np.int64)


def _groups(images: Int, same: Bool) -> Int:
    """(2·P,) for each image, the smallest one that genuine pairs connect it with."""
    parent = list(range(len(images)))

    def root(image: int) -> int:
        while parent[image] != image:
            parent[image] = image = parent[parent[image]]
        return image

    for a, b in images.reshape(-1, 2)[same].tolist():
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return np.array([root(image) for image in images.tolist()], np.int64)


def _apart(images: Int, groups: Int, same: Bool) -> tuple[Int, Int]:
    """Images and groups where those of groups that hold an impostor pair are told apart, pair by pair."""
    first, second = groups.reshape(-1, 2).T
    contradictory = np.isin(groups, first[(first == second) & ~same])
    own = np.arange(len(images))
    # A genuine pair of such a group is a person of its own, named by its first image.
    of_pair = np.where(np.repeat(same, 2), own - own % 2, own)
    return np.where(contradictory, own, images), np.where(contradictory, of_pair, groups)
