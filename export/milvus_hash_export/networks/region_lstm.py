"""A sequence of regions becomes one vector: bidirectional LSTM, average over the steps, ReLU."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RegionLSTM(nn.Module):
    """Steps float ``(n, k + 1, c + 4)`` of :class:`~milvus_hash_export.networks.regions.RegionSteps` to embeddings.

    Embeddings are float ``(n, 2 * hidden)``, at least 0 (Shen et al., ICCV 2017: the outputs of all steps are
    averaged, then rectified).

    Args:
        channels: ``c``.
        hidden: Width of the LSTM in each direction.
        position_copies: How often the four numbers of the position are repeated; they are 4 among a thousand.
        dropout: Share of the inputs hidden in training.
    """

    def __init__(self, channels: int, hidden: int, *, position_copies: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.position_copies = position_copies
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(channels + 4 * position_copies, hidden, batch_first=True, bidirectional=True)

    def forward(self, steps: Tensor) -> Tensor:
        """Embeddings of steps."""
        features, position = self.dropout(steps[..., :-4]), steps[..., -4:]
        outputs, _ = self.lstm(torch.cat([features, position.repeat(1, 1, self.position_copies)], dim=2))
        return torch.relu(outputs.mean(dim=1))
