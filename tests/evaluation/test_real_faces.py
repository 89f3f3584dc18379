"""Raw pixels on real protocols: a floor whose value is known, so that a changed rule shows."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.evaluation.verification import verify

FACES = Path(os.environ.get("BENCH_SHARED", Path(__file__).parents[3] / "shared")) / "faces"
needs_faces = pytest.mark.skipif(not FACES.is_dir(), reason="needs the real faces of ../shared")


def grey(path: Path) -> np.ndarray:
    """(784,) float64: 28 × 28 grey levels, raw and uncentred."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((28, 28), Image.Resampling.BILINEAR), np.float64).ravel()


def cosines(pairs: list[tuple[Path, Path]]) -> np.ndarray:
    paths = sorted({path for pair in pairs for path in pair})
    pixels = np.stack([grey(path) for path in paths])
    pixels /= np.linalg.norm(pixels, axis=1, keepdims=True)
    row = {path: at for at, path in enumerate(paths)}
    return np.array([pixels[row[a]] @ pixels[row[b]] for a, b in pairs])


def lfw() -> tuple[list[tuple[Path, Path]], list[bool], list[int]]:
    def path(name: str, number: str) -> Path:
        return FACES / "lfw/lfw" / name / f"{name}_{int(number):04d}.jpg"

    pairs, same = [], []
    for words in map(str.split, (FACES / "lfw/pairs.txt").read_text().splitlines()[1:]):
        same.append(len(words) == 3)
        second = words[:1] + words[2:] if same[-1] else words[2:]
        pairs.append((path(*words[:2]), path(*second)))
    return pairs, same, [at // 600 for at in range(6000)]


def cfp(protocol: str) -> tuple[list[tuple[Path, Path]], list[bool], list[int]]:
    root = FACES / "cfp/Protocol"
    sides = []
    for letter in protocol:
        lines = (root / f"Pair_list_{letter}.txt").read_text().split()
        sides.append({int(at): root / name for at, name in zip(lines[::2], lines[1::2], strict=True)})
    pairs, same, folds = [], [], []
    for fold in range(10):
        for kind in ("same", "diff"):
            lines = (root / "Split" / protocol / f"{fold + 1:02d}" / f"{kind}.txt").read_text().split()
            pairs += [tuple(side[int(at)] for side, at in zip(sides, line.split(","), strict=True)) for line in lines]
            same += [kind == "same"] * len(lines)
            folds += [fold] * len(lines)
    return pairs, same, folds


@needs_faces
@pytest.mark.parametrize(
    ("name", "mean", "sd"), [("lfw", 62.1, 2.3), ("FP", 59.4, 2.0), ("FF", 68.5, 2.1)], ids=["lfw", "cfp_fp", "cfp_ff"]
)
def test_raw_pixels_reach_their_known_accuracy(name, mean, sd):
    pairs, same, folds = lfw() if name == "lfw" else cfp(name)
    found = verify(cosines(pairs), np.array(same), np.array(folds), fars=["1e-3"])
    assert len(pairs) == (6000 if name == "lfw" else 7000)
    assert 100 * found.accuracy.mean == pytest.approx(mean, abs=0.2)
    assert 100 * found.accuracy.sd == pytest.approx(sd, abs=0.2)
    assert found.tar_at_far[0].allowed == 3
