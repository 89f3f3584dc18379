"""RegularFace beside pytorch-metric-learning's, the one term that it has a counterpart of.

Its CenterInvariantRegularizer evens out the norms of the centres and its SparseCentersRegularizer those of one class:
neither is a term of the catalog. The two RegularFaces differ where neighbours tie exactly (each picks one) and in
memory alone: PML makes three matrices of all pairs.
"""

from __future__ import annotations

import pytest
import torch
from loss_heads import generator, margin
from pytorch_metric_learning import regularizers
from torch.testing import assert_close

from bench.losses.head import MarginHead


@pytest.mark.parametrize("classes", [2, 3, 40])
def test_regularface_has_the_value_and_the_gradient_of_pml(classes):
    W = torch.randn(classes, 8, generator=generator(classes), dtype=torch.float64) * 3
    x, labels = torch.randn(4, 8, generator=generator(1), dtype=torch.float64), torch.tensor([0, 1, 1, 0])
    gradients = []
    for terms in ([{"name": "regularface", "weight": 2.5}], []):
        real = MarginHead(
            margin("cosface"), None, classes, 8, terms=terms, generator=generator(0), stream=generator(1)
        ).double()
        with torch.no_grad():
            real.centres.copy_(W)
        out = real(x, labels)
        out.loss.backward()
        gradients.append(real.centres.grad)
        if terms:
            ours = out.terms["regularface"]
    theirs = W.clone().requires_grad_()
    value = 2.5 * regularizers.RegularFaceRegularizer()(theirs)
    value.backward()
    assert_close(ours, value.detach(), rtol=1e-12, atol=0)
    assert_close(gradients[0] - gradients[1], theirs.grad, rtol=1e-9, atol=1e-12)
