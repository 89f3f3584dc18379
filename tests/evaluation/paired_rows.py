"""Made-up rows whose noise is known: of the test set's people, of training, of single pairs."""

import numpy as np

from bench.evaluation.paired import PairedScores


def rows(draw, seeds, *, effect=0.0, training=0.2, people=60, pairs=400, of_people=0.3, independent=False):
    """Two rows drawn alike but for ``effect``, which row A's genuine pairs score higher.

    ``training``: sd of a network's quality. ``of_people``: sd of a row's liking of a person, which no seed changes.
    ``independent``: no two pairs share anybody.
    """
    if independent:
        who = np.arange(2 * pairs).reshape(pairs, 2)
    else:
        first = draw.integers(people, size=pairs)
        who = np.stack([first, (first + draw.integers(1, people, pairs)) % people], axis=1)
    who[: pairs // 2, 1] = who[: pairs // 2, 0]
    same = who[:, 0] == who[:, 1]
    names = who.max() + 1
    shared = draw.normal(0, 0.5, pairs) + draw.normal(0, 0.5, names)[who].mean(axis=1)
    found = []
    for lift in (effect, 0.0):
        liking = draw.normal(0, of_people, names)[who].mean(axis=1)
        quality = 2 + lift + draw.normal(0, training, (seeds, 1))
        found.append(shared + liking + same * quality + draw.normal(0, 1, (seeds, pairs)))
    return PairedScores(found[0], found[1], same, who, np.arange(pairs) % 10)
