"""The trunks of text-guided fusion: image tokens that a text queries, scores and weighs, and the texts that do so."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from milvus_hash_export.networks.decoder import TextDecoder
from milvus_hash_export.networks.score_map import score_map, scored_average

_GATE = 1e-4  # at first what the decoder found hardly counts (DenseCLIP)


class Tokens(nn.Module):
    """A feature map ``(n, c, h, w)`` as tokens ``(n, 1 + h * w, c)``, their average first; tokens stay as they are."""

    def forward(self, features: Tensor) -> Tensor:
        """Tokens of a map, or of what a Transformer backbone gives."""
        if features.ndim == 3:
            return features
        places = features.flatten(2).transpose(1, 2)
        return torch.cat([places.mean(dim=1, keepdim=True), places], dim=1)


class Whole(nn.Module):
    """The token of the whole image: ``(n, c)`` of tokens ``(n, 1 + p, c)``."""

    def forward(self, tokens: Tensor) -> Tensor:
        """The first token."""
        return tokens[:, 0]


class Imagination(nn.Module):
    """The text that an image would have: a mix of learned prototype texts.

    ``t = softmax(MLP(z_0)) P`` with ``z_0 (c,)`` the token of the whole image and ``P (prototypes, space)``. A mix, and
    not any vector, so that what stands in for a caption lies among the captions.

    Args:
        width: Channels of the tokens.
        space: Channels of a text in the shared space.
        prototypes: How many texts there are to mix.
        hidden: Width of the hidden layer.
        dropout: Share of the inputs and of the hidden layer that is hidden in training.
    """

    def __init__(self, width: int, space: int, *, prototypes: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(torch.randn(prototypes, space) / space**0.5)
        self.choose = nn.Sequential(
            nn.LayerNorm(width, elementwise_affine=False),
            nn.Dropout(dropout),
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, prototypes),
        )

    def forward(self, whole: Tensor) -> Tensor:
        """Imagined texts ``(n, space)`` of the tokens of whole images ``(n, width)``."""
        texts: Tensor = self.choose(whole).softmax(dim=1) @ self.prototypes
        return texts


@dataclass(frozen=True, slots=True)
class Guided:
    """What texts made of images, per image and text.

    Attributes:
        embedding: For the hash layer: whole image, scored average, text; float ``(n, k, width + 2 * space)``.
        scored: The places' average by score, ``(n, k, space)``.
        texts: The texts after they have read the image, ``(n, k, space)``.
        places: The image's places in the shared space, ``(n, p, space)``.
    """

    embedding: Tensor
    scored: Tensor
    texts: Tensor
    places: Tensor


class GuidedImage(nn.Module):
    """Features of images to embeddings ``(n, width + 2 * space)``, guided by a text; without one, by an imagined one.

    Every text is a query of its own: neither the other texts nor the other images of a batch have any influence.

    Args:
        tail: Units of the backbone that learn, from features to a map or tokens; empty where none does.
        width: Channels of that map or those tokens.
        space: Channels of the space that images and texts share.
        imagine: From the tokens of whole images ``(n, width)`` to texts ``(n, space)``.
        decoder: Texts read tokens with it.
        temperature: Of the softmax over the score map.
    """

    def __init__(
        self,
        tail: nn.Module,
        *,
        width: int,
        space: int,
        imagine: nn.Module,
        decoder: TextDecoder,
        temperature: float,
    ) -> None:
        super().__init__()
        self.tail = tail
        self.tokens = Tokens()
        # without factors of its own: cached tokens then need no gradient, half of the work of a training step
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.project = nn.Linear(width, space)
        self.imagine = imagine
        self.decoder = decoder
        self.gamma = nn.Parameter(torch.full((space,), _GATE))
        self.temperature = temperature
        self.width = width + 2 * space

    def forward(self, features: Tensor) -> Tensor:
        """Embeddings of images alone: what the graph holds."""
        tokens = self.read(features)
        return self.guide(tokens, self.imagine(tokens[:, 0]).unsqueeze(1)).embedding[:, 0]

    def read(self, features: Tensor) -> Tensor:
        """Tokens ``(n, 1 + p, width)`` of cached features."""
        tokens: Tensor = self.tokens(self.tail(features))
        return tokens

    def guide(self, tokens: Tensor, texts: Tensor) -> Guided:
        """Images as the texts ``(n, k, space)`` see them.

        ``t <- t + gamma * decoder(t, z)``, ``s_p = cos(z_p, t)``, ``g = sum_p softmax_p(s / tau) z_p``.
        """
        normed = self.norm(tokens)
        z = self.project(normed)
        texts = texts + self.gamma * self.decoder(texts, z)
        places = z[:, 1:]
        scored = scored_average(places, score_map(places, texts), self.temperature)
        whole = normed[:, :1].expand(-1, texts.shape[1], -1)
        return Guided(torch.cat([whole, scored, texts], dim=2), scored, texts, places)


class GuidingText(nn.Module):
    """Sentence vectors to embeddings ``(n, width)``: the vector with unit variance, and its place in the shared space.

    Args:
        encoder: Tokens to sentence vectors, where it learns; identity where the vectors are cached.
        width: Numbers per sentence vector.
        space: Channels of the shared space.
    """

    def __init__(self, encoder: nn.Module, *, width: int, space: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.project = nn.Linear(width, space)
        self.width = width + space
        self._cut = width

    def forward(self, *features: Tensor) -> Tensor:
        """Embeddings of cached features."""
        vector = self.encoder(*features)
        normed = layer_norm(vector, vector.shape[1:])
        return torch.cat([normed, self.project(normed)], dim=1)

    def shared(self, embedding: Tensor) -> Tensor:
        """The text in the shared space, float ``(n, space)``, as its embedding holds it."""
        return embedding[:, self._cut :]
