"""Angles from cosines, and slopes of functions of an angle."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def at_least_float32(*tensors: Tensor) -> torch.dtype:
    """The common dtype of some tensors, float32 if that is shorter: cosines near 1 need it."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype


def safe_angle(cosine: Tensor, *, epsilons: int = 1) -> Tensor:
    """θ in radians, float32 or float64, of cosines of any shape and float dtype.

    Cosines are held some epsilons inside ±1, so θ lies in (0, π) and its gradient is finite everywhere, also at exactly
    ±1 and beyond by rounding. Torch versions disagree on the gradient of ``clamp`` on its bound, so none is used.
    """
    cosine = cosine.to(at_least_float32(cosine))
    bound = 1 - epsilons * torch.finfo(cosine.dtype).eps
    inside = cosine.abs() < bound
    return torch.where(inside, cosine, bound * cosine.detach().sign()).acos()


def slope(function: Callable[[Tensor], Tensor], theta: Tensor) -> Tensor:
    """Derivative of an elementwise function at each θ, (B,); works where gradients are switched off as well."""
    with torch.inference_mode(False), torch.enable_grad():
        at = theta.detach().clone().requires_grad_()
        (derivative,) = torch.autograd.grad(function(at).sum(), at)
    return derivative
