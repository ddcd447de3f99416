"""The text stream: word embeddings, a text CNN beside their average, and the hash layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class TextHash(nn.Module):
    """Tokens int64 ``(n, L)`` with their mask to logits float ``(n, bits)``.

    Filters of the given widths slide over the embedded tokens and keep their strongest answer (Kim 2014); the
    average of the embeddings stands beside them, which carries rare words that no filter has learned.

    Args:
        embeddings: float ``(vocabulary, dim)``, the starting value of the table.
        head: From ``len(widths) * filters + dim`` features to logits.
        train_embeddings: Let the table learn; a table from a sentence encoder generalises better when it does not.
        word_dropout: Share of the tokens hidden in training.
    """

    def __init__(
        self,
        embeddings: Tensor,
        head: nn.Module,
        *,
        filters: int = 128,
        widths: Sequence[int] = (3, 4, 5),
        train_embeddings: bool = True,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        words, dim = embeddings.shape
        self.embedding = nn.Embedding(words, dim, _weight=embeddings)
        self.embedding.weight.requires_grad_(train_embeddings)
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, filters, w, padding=w // 2) for w in widths)
        self.head = head
        self.word_dropout = word_dropout

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits of tokens int64 ``(n, L)``; masked tokens have no influence."""
        keep = attention_mask.to(self.embedding.weight.dtype).unsqueeze(2)  # (n, L, 1)
        if self.training and self.word_dropout:
            keep = keep * (torch.rand_like(keep) >= self.word_dropout)
        words = self.embedding(input_ids) * keep  # (n, L, dim)
        average = words.sum(1) / keep.sum(1).clamp(min=1)
        place = keep.transpose(1, 2)  # (n, 1, L)
        length = input_ids.shape[1]
        columns = words.transpose(1, 2)
        # an even width gives one place too many; answers are >= 0, so that a masked place (0) never wins
        strongest = [(torch.relu(c(columns))[:, :, :length] * place).amax(2) for c in self.convolutions]
        logits: Tensor = self.head(torch.cat([*strongest, average], dim=1))
        return logits


def text_width(dim: int, filters: int, widths: Sequence[int] = (3, 4, 5)) -> int:
    """How many features :class:`TextHash` hands to its head."""
    return dim + filters * len(widths)
