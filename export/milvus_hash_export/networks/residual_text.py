"""The deep residual text CNN of Dual-Path: word table, fourteen bottleneck blocks over the places, maximum."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Stage(NamedTuple):
    """Blocks of one width.

    Attributes:
        blocks: How many.
        first: Middle width of the first block; that of the others is a quarter of ``width``.
        width: Width in front of and behind the others.
        stride: Of the first block; 2 halves the places.
    """

    blocks: int
    first: int
    width: int
    stride: int


STAGES = (Stage(3, 128, 256, 1), Stage(4, 512, 512, 2), Stage(6, 1024, 1024, 2), Stage(1, 2048, 2048, 1))


class ResidualBlock(nn.Module):
    """``(n, width_in, places)`` to ``(n, width_out, places / stride)``: kernels of 1, 2 and 1 places.

    The kernel of 2 sees a place and the one before it (one empty place is added on the left), so the number of places
    stays as it is. No convolution has a bias, because batch normalisation follows each. The last normalisation starts
    at 0, so that a block starts as its shortcut: fourteen in a row learn much faster so (Goyal et al. 2017, 5.1).
    """

    def __init__(self, width_in: int, middle: int, width_out: int, *, stride: int = 1) -> None:
        super().__init__()
        last = nn.BatchNorm1d(width_out)
        nn.init.zeros_(last.weight)
        self.path = nn.Sequential(
            nn.Conv1d(width_in, middle, 1, bias=False),
            nn.BatchNorm1d(middle),
            nn.ReLU(),
            nn.ConstantPad1d((1, 0), 0.0),
            nn.Conv1d(middle, middle, 2, stride=stride, bias=False),
            nn.BatchNorm1d(middle),
            nn.ReLU(),
            nn.Conv1d(middle, width_out, 1, bias=False),
            last,
        )
        self.shortcut: nn.Module = nn.Identity()
        if width_in != width_out or stride != 1:
            convolution = nn.Conv1d(width_in, width_out, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm1d(width_out))

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both ways, rectified."""
        return torch.relu(self.path(x) + self.shortcut(x))


class ResidualText(nn.Module):
    """Tokens int64 ``(n, L)`` with their mask to float ``(n, width)``, after Zheng et al. (TOMM 2020), section 3.2.

    In training a text starts at a random place (*position shift*), so that no word is tied to one. In evaluation the
    answers for ``positions`` starts, spread evenly over those possible, are averaged; the paper sums over all.

    Args:
        table: Starting word table, float ``(words, dim)``.
        scale: Multiplies every width of :data:`STAGES`; 1 is the paper's network.
        positions: Starts that evaluation averages over; 1 is the first place only.
        train_embeddings: Let the word table learn.
        word_dropout: Share of the words hidden in training.

    Attributes:
        width: Of the answer.
    """

    def __init__(
        self,
        table: Tensor,
        *,
        scale: float = 1.0,
        positions: int = 1,
        train_embeddings: bool = False,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        words, width = table.shape
        self.embedding = nn.Embedding(words, width, _weight=table.clone())
        self.embedding.weight.requires_grad_(train_embeddings)
        self.normalise = nn.BatchNorm1d(width)
        self.positions = positions
        self.word_dropout = word_dropout
        stages: list[nn.Module] = []
        for stage in STAGES:
            first, out = _scaled(stage.first, scale), _scaled(stage.width, scale)
            blocks = [ResidualBlock(width, first, out, stride=stage.stride)]
            blocks += [ResidualBlock(out, _scaled(stage.width // 4, scale), out) for _ in range(stage.blocks - 1)]
            stages.append(nn.Sequential(*blocks))
            width = out
        self.stages = nn.Sequential(*stages)
        self.width = width

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """One vector ``(n, width)`` for each text."""
        if self.training:
            if self.word_dropout:
                kept = torch.rand(attention_mask.shape, device=attention_mask.device) >= self.word_dropout
                attention_mask = attention_mask * kept
            room = _room(attention_mask)
            start = (torch.rand(room.shape, device=room.device) * (room + 1)).long()
            return self._answer(shifted(input_ids, start), shifted(attention_mask, start))
        first = self._answer(input_ids, attention_mask)
        if self.positions == 1:
            return first
        room = _room(attention_mask)
        starts = [room * k // (self.positions - 1) for k in range(1, self.positions)]
        others = [self._answer(shifted(input_ids, start), shifted(attention_mask, start)) for start in starts]
        return torch.stack([first, *others]).mean(dim=0)

    def _answer(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The strongest answer over the places; an empty place is a zero vector, as a one-hot of no word gives."""
        words = self.embedding(input_ids) * attention_mask.unsqueeze(2)
        answer: Tensor = self.stages(self.normalise(words.transpose(1, 2))).amax(dim=2)
        return answer


class TextPath(nn.Module):
    """Tokens int64 ``(n, L)`` with their mask to the features in front of the last ReLU, float ``(n, width)``."""

    def __init__(self, words: ResidualText, width: int) -> None:
        super().__init__()
        self.words = words
        self.projection = nn.Sequential(nn.Linear(words.width, width, bias=False), nn.BatchNorm1d(width))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Features of a batch of texts."""
        features: Tensor = self.projection(self.words(input_ids, attention_mask))
        return features


def shifted(values: Tensor, start: Tensor) -> Tensor:
    """Rows of ``values (n, L)`` moved ``start (n,)`` places to the right; what leaves at the end comes in in front.

    With at most ``L - length`` places of shift only masked places ever leave, so no word is lost.
    """
    length = values.shape[1]
    place = torch.arange(length, device=values.device) - start.unsqueeze(1)
    return values.gather(1, place % length)


def _room(attention_mask: Tensor) -> Tensor:
    """How many places each text can move to the right: int64 ``(n,)``."""
    length = attention_mask.shape[1]
    place = torch.arange(1, length + 1, device=attention_mask.device)
    return length - (attention_mask * place).amax(dim=1)


def _scaled(width: int, scale: float) -> int:
    return max(round(width * scale), 8)
