"""What a twin of a term says, in plain floats and loops. Nothing here shares code with ``bench.losses``."""

from __future__ import annotations

import math

from loss_twin import angle


class SlowTerm:
    """``options``: all that a suite gives but the weight. ``state``: the term's buffers before the batch, as lists."""

    def __init__(self, options, labels, state):
        self.options, self.labels, self.state = options, labels, state

    def value(self, X, W, rows=None):
        """The term, weight left out. ``rows``: the classes drawn, for terms that draw some; None: all."""
        raise NotImplementedError

    def after(self, X):
        """The state after the batch."""
        return {}


class SlowPairs(SlowTerm):
    """The mean of ``pair`` over ordered pairs of centres."""

    def pair(self, theta):
        raise NotImplementedError

    def first(self, W):
        return range(len(W))

    def value(self, X, W, rows=None):
        rows = self.first(W) if rows is None else rows
        found = [self.pair(angle(W[i], W[j])) for i in rows for j in range(len(W)) if j != i]
        return math.fsum(found) / len(found) if found else 0.0


def central_differences(function, table, h=1e-5):
    """Of ``function()`` in every entry of a table of lists, which it reads; with Richardson's correction."""

    def difference(row, k, step):
        kept = row[k]
        row[k] = kept + step
        above = function()
        row[k] = kept - step
        below = function()
        row[k] = kept
        return (above - below) / (2 * step)

    return [[(4 * difference(row, k, h) - difference(row, k, 2 * h)) / 3 for k in range(len(row))] for row in table]
