"""Which memory torch asks for and how often it multiplies matrices, operator by operator, on any device."""

from __future__ import annotations

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Allocations(TorchDispatchMode):
    """``numbers``: how many numbers each new tensor holds, views of older ones left out; ``products``: of matrices."""

    def __init__(self):
        super().__init__()
        self.numbers, self.products = [], 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        given = {t.untyped_storage().data_ptr() for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        result = function(*args, **(kwargs or {}))
        self.products += "mm" in function.__name__
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.untyped_storage().data_ptr() not in given:
                self.numbers.append(tensor.untyped_storage().nbytes() // tensor.element_size())
        return result
