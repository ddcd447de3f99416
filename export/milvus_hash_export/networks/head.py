"""The trained layers on top of a backbone: one hidden layer, then the hash layer."""

from __future__ import annotations

from torch import Tensor, nn


class HashHead(nn.Module):
    """Features float ``(n, width)`` to logits float ``(n, bits)``.

    The sign of a logit is the bit. The tanh that the losses want belongs to the method, not to the network, so
    that a graph gives logits as they are.
    """

    def __init__(self, width: int, hidden: int, bits: int, *, input_dropout: float, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(input_dropout),
            nn.Linear(width, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, bits),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(n, bits)`` of features ``(n, width)``."""
        logits: Tensor = self.layers(features)
        return logits
