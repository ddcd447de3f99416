"""Binary codes of a batch in closed form: the stochastic batch-wise routine of TVDB.

Inside a batch of ``n`` pairs the codes ``B`` of the pictures and ``H`` of the texts are variables of their own, beside
the relaxed outputs ``F`` and ``G`` of the networks; all are ``(n, bits)``, a row an item (the paper has columns):

    L = -trace(B^T S H) / (n^2 bits) + rho / 2 ||B H^T||^2 / (n bits)^2 + eta (||B - F||^2 + ||H - G||^2) / (n bits)

With ``rho = 0`` this is the objective of Shen et al. (ICCV 2017), each sum divided by how many terms it has, so that
neither ``eta`` nor the learning rate depends on the sizes of batch and code. Without ``rho`` every bit has the same
problem to solve and most bits end up equal; the term that it weighs is ours. For nested codes ``L`` is averaged over
the lengths, each with its own prefix of the codes.
"""

from __future__ import annotations

import torch
from torch import Tensor

PLAIN = "plain"
CENTRED = "centred"
WEIGHTINGS = (CENTRED, PLAIN)


def signed_similarity(similar: Tensor, weighting: str = CENTRED) -> Tensor:
    """``S`` of the objective from a symmetric 0/1 matrix ``similar (n, n)`` with ones on its diagonal.

    ``plain`` is the paper's +1 and -1. Where most pairs are dissimilar, the optimum is then one code for all pictures
    and the opposite one for all texts: it is right about every dissimilar pair. ``centred`` divides each entry by the
    root of both items' numbers of similar items, so that a frequent label does not outweigh the others, multiplies by
    ``n``, and takes the means of rows and columns off: constant codes gain nothing, and entries have unit size.
    """
    if weighting == PLAIN:
        return 2 * similar - 1
    root = similar.sum(dim=1).rsqrt()
    scaled = len(similar) * root.unsqueeze(1) * similar * root
    return scaled - scaled.mean(dim=0) - scaled.mean(dim=1, keepdim=True) + scaled.mean()


def binary(values: Tensor) -> Tensor:
    """-1 or 1 by sign; 0 gives -1, as the bit of a logit that is not above 0."""
    return torch.where(values > 0, 1.0, -1.0).to(values.dtype)


@torch.no_grad()
def code_steps(
    f: Tensor,
    g: Tensor,
    similarity: Tensor,
    *,
    lengths: tuple[int, ...],
    eta: float,
    repulsion: float = 0.0,
    steps: int = 2,
) -> tuple[Tensor, Tensor]:
    """Codes ``B`` and ``H`` of a batch by rounds of closed-form steps, from the signs of ``F`` and ``G``.

    Without repulsion: ``B <- sign(S H / n + 2 eta F)``, then ``H <- sign(S^T B / n + 2 eta G)``. Since ``||B||^2`` is
    constant, each is the optimum in its variable. With it the bits depend on each other; they are updated one after
    another, each to its optimum with all others fixed (see :func:`code_step`). No step raises the objective.

    Args:
        f: Relaxed codes of the pictures ``(n, bits)``.
        g: Those of the texts.
        similarity: ``S``, ``(n, n)``; row ``i`` picture ``i``, column ``j`` text ``j``.
        lengths: Ascending code lengths, the last one ``bits``.
        eta: How hard the codes hold to the outputs of the networks.
        repulsion: ``rho``.
        steps: Rounds; 0 gives the signs.

    Returns:
        ``B`` and ``H``, -1 or 1, ``(n, bits)``, without gradient.
    """
    f, g = f.detach().float(), g.detach().float()
    similarity = similarity.float()
    coupling = repulsion * bit_coupling(lengths, f)
    b, h = binary(f), binary(g)
    for _ in range(steps):
        b = code_step(b, h, similarity @ h / len(f) + 2 * eta * f, coupling)
        h = code_step(h, b, similarity.T @ b / len(f) + 2 * eta * g, coupling)
    return b, h


def code_step(b: Tensor, h: Tensor, wanted: Tensor, coupling: Tensor) -> Tensor:
    """One pass over the bits of ``b``: ``b_k <- sign(wanted_k - sum_l coupling_kl (h_k . h_l) / n b_l)``.

    Args:
        b: Codes to be updated ``(n, bits)``.
        h: Codes of the other modality.
        wanted: What similarities and networks ask for ``(n, bits)``.
        coupling: How hard bit ``l`` repels bit ``k``, ``(bits, bits)``, 0 on the diagonal.
    """
    if not coupling.any():
        return binary(wanted)
    pull = coupling * (h.T @ h) / len(h)
    rows, targets = b.T.clone(), wanted.T
    for k in range(len(rows)):
        rows[k] = binary(targets[k] - pull[k] @ rows)
    return rows.T


def bit_coupling(lengths: tuple[int, ...], like: Tensor) -> Tensor:
    """How hard bits repel each other, ``(bits, bits)`` on the device of ``like``, when ``rho`` is 1.

    A bit's share of the objective of length ``m`` is weighed by ``1 / m``, a pair of bits by ``1 / m^2``, if the length
    holds them; row ``k`` has the sums over the lengths, divided by the weight of bit ``k``.
    """
    place = torch.arange(lengths[-1], device=like.device)
    shares = torch.stack([(place < length) / length for length in lengths])
    return (shares.T @ shares / shares.sum(dim=0).unsqueeze(1)).fill_diagonal_(0)


def agreement(b: Tensor, h: Tensor, similarity: Tensor) -> Tensor:
    """``-trace(B^T S H) / (n^2 bits)``: how well codes ``(n, bits)`` obey ``S (n, n)``; lower is better."""
    return -(b * (similarity @ h)).mean() / len(b)


def redundancy(b: Tensor, h: Tensor) -> Tensor:
    """``||B H^T||^2 / (2 (n bits)^2)``: half the mean square cosine of codes ``(n, bits)``; high where bits repeat."""
    return (b.T @ b * (h.T @ h)).sum() / (2 * b.numel() ** 2)
