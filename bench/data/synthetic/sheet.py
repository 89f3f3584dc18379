"""The contact sheet: a few people of the training set in all poses, to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bench.data.synthetic.draws import stream
from bench.data.synthetic.identity import identity
from bench.data.synthetic.render import Shot, render
from bench.data.synthetic.spec import SyntheticSpec
from bench.data.synthetic.views import REGIMES, video

COLUMNS = ("studio", "frontal", "wild", "wild", "wild", "wild", "profile", "profile")
FRAMES = 2


def write_contact_sheet(path: Path, people: int = 6, pixels: int = 112) -> None:
    """Save the default seed's sheet as an indexed-colour PNG at ``path`` (under 400 kB)."""
    sheet = contact_sheet(SyntheticSpec(), people, pixels)
    sheet.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def contact_sheet(spec: SyntheticSpec, people: int = 6, pixels: int = 112) -> Image.Image:
    """One row a person: without nuisance, frontal, in the wild, in profile, and frames of a video."""
    shots = []
    for person in range(people):
        who = identity(spec.seed, "sheet", person)
        for column, regime in enumerate(COLUMNS):
            names = (spec.seed, "sheet", person, column)
            shots.append(Shot(who, REGIMES[regime](stream(*names)), names))
        clip = video(stream(spec.seed, "sheet", person, "video"), FRAMES)
        shots += [Shot(who, view, (spec.seed, "sheet", person, "video", i)) for i, view in enumerate(clip)]
    images = render(shots, pixels)
    rows = images.reshape(people, -1, pixels, pixels, 3)
    return Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0))


if __name__ == "__main__":
    write_contact_sheet(Path("docs/images/contact_sheet.png"))
