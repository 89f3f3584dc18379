"""A tiny data root in the official layouts, and a suite of seconds on it."""

from pathlib import Path

from bench.data.synthetic.layouts import write_synthetic
from bench.data.synthetic.spec import SyntheticSpec

SPEC = SyntheticSpec(
    pixels=24,
    seed=5,
    folds=2,
    train_identities=12,
    train_images=8,
    lfw_identities=8,
    lfw_images=4,
    lfw_pairs=12,
    cfp_identities=8,
    cfp_frontal=4,
    cfp_profile=2,
    cfp_pairs=12,
    ytf_identities=8,
    ytf_videos=4,
    ytf_frames=2,
    ytf_pairs=12,
)

SUITE = """\
name: tiny
data: {root: "ROOT", pixels: 24, protocols: [lfw, ytf, cfp_fp]}
backbone: {name: small_cnn, embedding: 16, width: 4, depth: 1}
margin: {name: normface, s: 16}
enhancement: {gate: posterior}
recipe:
  epochs: 2
  batch: 16
  optimiser: {name: sgd, lr: 0.05}
  augmentation: [flip, {name: shift, pixels: 1}, colour, erase]
evaluation: {far: [1e-1, 1e-3]}
grid: {enhancement.strength: [0, 0.1]}
report: {metrics: [accuracy, tar_at_far_1e-1]}
executor: {device: cpu, slots: 2}
"""


def write_root(folder: Path) -> Path:
    write_synthetic(folder, SPEC)
    return folder


def write_suite(path: Path, root: Path, text: str = SUITE) -> Path:
    path.write_text(text.replace("ROOT", str(root)))
    return path
