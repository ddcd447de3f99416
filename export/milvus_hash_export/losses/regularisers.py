"""What makes relaxed codes good bits: close to -1 or 1, and each bit set for half of the items."""

from __future__ import annotations

from torch import Tensor


def quantisation(u: Tensor) -> Tensor:
    """``mean((1 - |u|)^2)``: how far relaxed codes ``(n, bits)`` are from their signs, per bit."""
    return (1 - u.abs()).square().mean()


def bit_balance(u: Tensor) -> Tensor:
    """``mean_k((mean_i u_ik)^2)``: 0 when every bit of ``(n, bits)`` is as often -1 as 1, 1 when none varies."""
    return u.mean(dim=0).square().mean()
