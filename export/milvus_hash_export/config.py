"""The settings of a training run: a recipe (TOML), overridden by what the caller gives."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from milvus_hash.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_CHOICES = {"resize": ("squash", "pad", "crop"), "feature_dtype": ("float32", "bfloat16")}
RECIPES = Path(__file__).parent / "recipes"  # in the wheel; beside the package in a checkout


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Every setting that decides a run; stored as ``config.json`` in the run folder.

    Attributes:
        method: Training method.
        bits: Ascending code lengths; the last is the full code, the others its trained prefixes.
        seed: Fixes the starting weights, the batches and the views.
        backbone: Image backbone, see :data:`milvus_hash_export.networks.backbones.BACKBONES`.
        weights: ``imagenet``, ``random`` or the path of a state dict.
        image_size: Side of the square input, in pixels.
        resize: How a picture becomes a square, as in the bundle.
        unfreeze: How many of the backbone's last units learn.
        views: Cached versions of each training picture: as it is, then random crops, half of them mirrored.
        feature_dtype: Arithmetic of the frozen part while features are cached; ``bfloat16`` is faster on CPUs
            that have it and slow on others.
        embeddings: Folder of a sentence encoder (``model.safetensors``, ``tokenizer.json``), or an installed package
            that holds one; its word table starts the text stream. Empty for a vocabulary of the training texts
            and random embeddings.
        embedding_dim: Width of the word embeddings; a longer table is projected on its principal components.
        train_embeddings: Let the word table learn too.
        vocabulary: Words of a vocabulary built from the training texts.
        text_length: Tokens per text.
        filters: Filters per width of the text CNN.
        hidden: Width of the hidden layer in front of the hash layer.
        similarity: Similarity loss, see :data:`milvus_hash_export.losses.SIMILARITY_LOSSES`.
        similarity_weight: Of that loss between the modalities; ``intra_weight`` within each, ``label_weight`` of the
            labels told from the code, ``pair_weight`` of finding the own partner, ``quantisation_weight`` and
            ``balance_weight`` of the regularisers (``docs/methods/dsmhn.md``).
    """

    method: str = "dsmhn"
    bits: tuple[int, ...] = (64,)
    seed: int = 0
    backbone: str = "efficientnet_lite0"
    weights: str = "imagenet"
    image_size: int = 224
    resize: Literal["squash", "pad", "crop"] = "pad"
    unfreeze: int = 0
    views: int = 1
    feature_dtype: Literal["float32", "bfloat16"] = "float32"
    embeddings: str = ""
    embedding_dim: int = 192
    train_embeddings: bool = False
    vocabulary: int = 30_000
    text_length: int = 48
    filters: int = 128
    hidden: int = 512
    input_dropout: float = 0.3
    dropout: float = 0.3
    word_dropout: float = 0.1
    similarity: str = "likelihood"
    similarity_weight: float = 1.0
    intra_weight: float = 0.0
    label_weight: float = 1.0
    pair_weight: float = 1.0
    quantisation_weight: float = 0.05
    balance_weight: float = 1.0
    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 2e-3
    backbone_rate: float = 0.1
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, before an hour of work."""
        bits = self.bits
        if not bits or list(bits) != sorted(set(bits)) or any(b % 8 or b < 8 for b in bits):
            raise InputError(f"bits is {bits}; ascending multiples of 8 are needed, such as 16,32,64")
        for name in ("views", "epochs", "text_length", "embedding_dim", "hidden", "filters", "image_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; at least 1 is needed")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} is {getattr(self, name)!r}; one of {', '.join(allowed)} is needed")
        if self.batch_size < 2:
            raise InputError(f"batch_size is {self.batch_size}; a pairwise loss needs at least 2")


def load_config(recipe: str | Path | None = None, **overrides: object) -> TrainConfig:
    """The settings of ``recipe`` with ``overrides`` on top.

    Args:
        recipe: A TOML file, or the name of one that ships with the package; None for the defaults.
        overrides: Fields of :class:`TrainConfig`; None means "as in the recipe".

    Raises:
        InputError: No such recipe, not TOML, an unknown setting, or a value that cannot be.

    Example:
        >>> load_config(bits=(16, 32), epochs=5).bits
        (16, 32)
    """
    values = {} if recipe is None else _read_recipe(recipe)
    values.update({name: value for name, value in overrides.items() if value is not None})
    return from_mapping(values)


def from_mapping(values: Mapping[str, Any]) -> TrainConfig:
    """A config from plain values, as in TOML or JSON.

    Raises:
        InputError: An unknown setting, or a value of the wrong type.
    """
    default = TrainConfig()
    known = {f.name for f in fields(TrainConfig)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(f"unknown setting {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    checked: dict[str, Any] = {n: _as(type(getattr(default, n)), n, value) for n, value in values.items()}
    return replace(default, **checked)


def to_mapping(config: TrainConfig) -> dict[str, Any]:
    """Plain values of ``config``, for JSON."""
    return asdict(config)


def _as(kind: type, name: str, value: object) -> object:
    if kind is tuple:
        items = value if isinstance(value, (list, tuple)) else (value,)
        return tuple(_as(int, name, item) for item in items)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise InputError(f"{name} is {value!r}; a value of type {kind.__name__} is needed")
    return value


def _read_recipe(recipe: str | Path) -> dict[str, Any]:
    path = Path(recipe)
    if not path.is_file():
        found = [f for folder in _recipe_folders() for f in (folder / f"{recipe}.toml",) if f.is_file()]
        if not found:
            names = sorted({f.stem for folder in _recipe_folders() for f in folder.glob("*.toml")})
            raise InputError(f"no recipe {str(recipe)!r}; give a TOML file or one of: {', '.join(names)}")
        path = found[0]
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}") from error


def _recipe_folders() -> list[Path]:
    return [RECIPES, RECIPES.parent.parent / "recipes"]
