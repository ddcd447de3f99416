"""The text trunk that starts from words: a text CNN, with the average of the words beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class TextCNN(nn.Module):
    """Tokens int64 ``(n, L)`` with their mask to embeddings float ``(n, width)``.

    Filters of the given widths slide over the embedded tokens and keep their strongest answer (Kim 2014); the
    average of the embeddings stands beside them, which carries rare words that no filter has learned.

    Args:
        table: float ``(vocabulary, dim)``, the starting value of the word table.
        filters: Filters per width.
        widths: Tokens that a filter sees.
        train_embeddings: Let the table learn; a table from a sentence encoder generalises better when it does not.
        word_dropout: Share of the tokens hidden in training.
        average: Put the average of the embeddings beside the filters.
    """

    def __init__(
        self,
        table: Tensor,
        *,
        filters: int = 128,
        widths: Sequence[int] = (3, 4, 5),
        train_embeddings: bool = True,
        word_dropout: float = 0.0,
        average: bool = True,
    ) -> None:
        super().__init__()
        words, dim = table.shape
        self.embedding = nn.Embedding(words, dim, _weight=table)
        self.embedding.weight.requires_grad_(train_embeddings)
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, filters, w, padding=w // 2) for w in widths)
        self.word_dropout = word_dropout
        self.average = average
        self.width = filters * len(widths) + average * dim

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Embeddings of tokens int64 ``(n, L)``; masked tokens have no influence."""
        keep = attention_mask.to(self.embedding.weight.dtype).unsqueeze(2)  # (n, L, 1)
        if self.training and self.word_dropout:
            keep = keep * (torch.rand_like(keep) >= self.word_dropout)
        words = self.embedding(input_ids) * keep  # (n, L, dim)
        place = keep.transpose(1, 2)  # (n, 1, L)
        length = input_ids.shape[1]
        columns = words.transpose(1, 2)
        # an even width gives one place too many; answers are >= 0, so that a masked place (0) never wins
        parts = [(torch.relu(c(columns))[:, :, :length] * place).amax(2) for c in self.convolutions]
        if self.average:
            parts.append(words.sum(1) / keep.sum(1).clamp(min=1))
        return torch.cat(parts, dim=1)


class WordAverage(nn.Module):
    """Tokens int64 ``(n, L)`` with their mask to the average of their vectors, float ``(n, dim)``.

    Args:
        embedding: The word table; give a copy where the original learns.
    """

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.embedding = embedding

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Averages over the tokens that are not masked; zeros for a text without any."""
        keep = attention_mask.to(self.embedding.weight.dtype).unsqueeze(2)
        average: Tensor = (self.embedding(input_ids) * keep).sum(1) / keep.sum(1).clamp(min=1)
        return average
