"""The Transformer decoder: queries from texts read the tokens of an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CrossAttention(nn.Module):
    """Multi-head attention of queries ``(n, q, width)`` over a memory ``(n, m, width)``.

    Per head ``softmax(Q K^T / sqrt(width / heads)) V`` with linear projections before and after (Vaswani et al. 2017,
    section 3.2). Queries are few and places are many, so keys and values are never made: ``q^T (W m) = (W^T q)^T m``,
    and the values' projection follows the average instead of preceding it. A bias of the keys would cancel in the
    softmax.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        """What each query reads, ``(n, q, width)``."""
        n, q, width = queries.shape
        size = width // self.heads
        split = self.query(queries).view(n, q, self.heads, size)
        asked = torch.einsum("nqhs,hsw->nhqw", split, self.key.weight.view(self.heads, size, width)) / size**0.5
        places = memory.unsqueeze(1)  # (n, 1, m, width): the same for all heads
        read = (asked @ places.transpose(2, 3)).softmax(dim=3) @ places  # (n, heads, q, width)
        values = torch.einsum("nhqw,hsw->nqhs", read, self.value.weight.view(self.heads, size, width))
        out: Tensor = self.out(values.reshape(n, q, width) + self.value.bias)
        return out


class DecoderLayer(nn.Module):
    """One pre-norm layer: cross-attention, then an MLP of four times the width, each added to what came in."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = CrossAttention(width, heads)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        """The queries ``(n, q, width)`` after they have read the memory ``(n, m, width)``."""
        queries = queries + self.dropout(self.attention(self.attention_norm(queries), memory))
        out: Tensor = queries + self.dropout(self.mlp(queries))
        return out


class TextDecoder(nn.Module):
    """Queries ``(n, q, space)`` and image tokens ``(n, m, space)`` to what the queries found, ``(n, q, space)``.

    After the context decoder of DenseCLIP (Rao et al., CVPR 2022): memory ``LN - Linear - LN``, queries
    ``LN - Linear``, pre-norm layers whose memory is not normalised again, out ``LN - Linear``. Unlike there the queries
    do not attend to each other: those of one image are independent texts here, not the classes of one data set, and an
    image's code may not hang on which others stand beside it.

    Args:
        space: Channels of queries and tokens.
        width: Channels inside; a multiple of ``heads``.
        layers: How many layers.
        heads: Attention heads.
        dropout: Share of the layers' answers hidden in training.
    """

    def __init__(self, space: int, *, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.memory = nn.Sequential(nn.LayerNorm(space), nn.Linear(space, width), nn.LayerNorm(width))
        self.queries = nn.Sequential(nn.LayerNorm(space), nn.Linear(space, width))
        self.layers = nn.ModuleList(DecoderLayer(width, heads, dropout) for _ in range(layers))
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, space))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """What each query found in its own image."""
        memory, queries = self.memory(tokens), self.queries(queries)
        for layer in self.layers:
            queries = layer(queries, memory)
        found: Tensor = self.out(queries)
        return found
