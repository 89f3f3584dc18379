"""Tiny data sets in the official layouts, written by the tests themselves: noise, no face."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHARED = Path(os.environ.get("BENCH_SHARED", Path(__file__).parents[3] / "shared")) / "faces"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared holds the real faces and is absent")


def image(path: Path, seed: int = 0, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Path:
    """Writes noise in the format of the path's suffix; ``size`` is (width, height)."""
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(path)
    return path


def image_folder(root: Path, counts: dict[str, int], suffix: str = ".png") -> Path:
    for p, (person, count) in enumerate(counts.items()):
        for i in range(count):
            image(root / person / f"{i}{suffix}", seed=100 * p + i)
    return root


def lfw(root: Path, text: str | None = None, people: dict[str, int] | None = None) -> Path:
    """Two folds of 2 + 2 pairs over three people, or the given text as pairs.txt."""
    for person, count in (people or {"Ann_Lee": 3, "Bo": 3, "Cy_Ng": 2}).items():
        for i in range(1, count + 1):
            image(root / "lfw" / person / f"{person}_{i:04d}.jpg", seed=i)
    (root / "pairs.txt").write_bytes((text or LFW_PAIRS).encode())
    return root


LFW_PAIRS = """2\t2
Ann_Lee\t1\t2
Ann_Lee\t1\t3
Ann_Lee\t1\tBo\t1
Bo\t2\tCy_Ng\t1
Bo\t1\t2
Cy_Ng\t1\t2
Ann_Lee\t2\tBo\t3
Ann_Lee\t3\tCy_Ng\t2
"""


def ytf(root: Path, text: str | None = None, frames: int = 11) -> Path:
    for person, videos in {"Ann_Lee": (0, 1), "Bo": (2, 10)}.items():
        for video in videos:
            for frame in range(frames):
                name = f"aligned_detect_{video}.{frame}.png"
                image(root / "aligned_images_DB" / person / str(video) / name, seed=frame, size=(4, 4))
    (root / "splits.txt").write_bytes((text or YTF_SPLITS).encode())
    return root


YTF_SPLITS = """1, 1, Ann_Lee/0, Ann_Lee/1, 1
1, 2, Ann_Lee/0, Bo/2, 0
2, 1, Bo/10, Bo/2, 1
2, 2, Bo/10, Ann_Lee/1, 0
"""


def cfp(root: Path, names: tuple[str, ...] = ("Ann Lee", "Bo", "José Ng")) -> Path:
    """Three people with 2 frontal and 2 profile images; two folds of 1 + 1 pairs in either set."""
    (root / "Data").mkdir(parents=True)
    (root / "Data" / "list_name.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    for letter, pose in (("F", "frontal"), ("P", "profile")):
        lines = []
        for person in range(1, len(names) + 1):
            for i in (1, 2):
                path = f"Data/Images/{person:03d}/{pose}/{i:02d}.jpg"
                image(root / path, seed=10 * person + i)
                lines.append(f"{len(lines) + 1} ../{path}")
        protocol = root / "Protocol"
        protocol.mkdir(exist_ok=True)
        (protocol / f"Pair_list_{letter}.txt").write_text("\n".join(lines) + "\n")
    for kind, lines in {
        "FF": {"01/same": "1,2", "01/diff": "1,3", "02/same": "3,4", "02/diff": "4,6"},
        "FP": {"01/same": "1,2", "01/diff": "2,3", "02/same": "6,5", "02/diff": "3,1"},
    }.items():
        for name, line in lines.items():
            file = root / "Protocol" / "Split" / kind / f"{name}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(line + "\n")
    return root
