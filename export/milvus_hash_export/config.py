"""The settings of a training run: a recipe (TOML), overridden by what the caller gives."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from milvus_hash.errors import InputError
from milvus_hash_export.checks import check_choice, check_least
from milvus_hash_export.methods import METHODS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPES = Path(__file__).parent / "recipes"  # in the wheel; beside the package in a checkout
_CHOICES = {
    "method": tuple(METHODS),
    "visual": ("auto", "image", "video"),
    "resize": ("squash", "pad", "crop"),
    "feature_dtype": ("float32", "bfloat16"),
    "precision": ("no", "bf16", "fp16"),
}
_LOWEST = {
    "image_size": 1,
    "frames": 1,
    "unfreeze": 0,
    "views": 1,
    "embedding_dim": 1,
    "vocabulary": 3,
    "text_length": 1,
    "epochs": 1,
    "batch_size": 2,  # every objective compares items
    "accumulate": 1,
    "clip_norm": 0,
    "patience": 0,
}


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Every setting that decides a run; stored as ``config.json`` in the run folder.

    Attributes:
        method: Training method, a key of :data:`milvus_hash_export.methods.METHODS`.
        bits: Ascending code lengths; the last is the full code, the others its trained prefixes.
        seed: Fixes the starting weights, the batches and the views.
        visual: ``image`` or ``video``: what the texts are paired with; ``auto``: pictures where a row has one.
        backbone: Image or video backbone, see :data:`milvus_hash_export.networks.backbones.BACKBONES` and
            :mod:`milvus_hash_export.networks.video`.
        weights: ``imagenet``, ``random`` or the path of a state dict.
        image_size: Side of the square input, in pixels.
        resize: How a picture becomes a square, as in the bundle.
        frames: Frames per clip.
        unfreeze: How many of the backbone's last units learn.
        views: Cached versions of each training picture: as it is, then random crops, half of them mirrored.
        feature_dtype: Arithmetic of the frozen part while features are cached; ``bfloat16`` is faster on CPUs
            that have it and slow on others.
        embeddings: Folder of a sentence encoder (``model.safetensors``, ``tokenizer.json``), an installed package
            that holds one, or its name on the hub. A method that starts from words takes its word table; empty for a
            vocabulary of the training texts and random embeddings.
        embedding_dim: Width of the word embeddings; a longer table is projected on its principal components.
        train_embeddings: Let the word table learn too.
        vocabulary: Words of a vocabulary built from the training texts.
        text_length: Tokens per text.
        epochs: Passes over the training pairs.
        batch_size: Pairs per batch of each process; losses compare the pairs of one batch.
        accumulate: Batches whose gradients are added up for one step.
        precision: Arithmetic of the trained part: ``no`` is float32, ``bf16`` and (on a GPU) ``fp16`` are mixed.
        learning_rate: Highest rate of the one-cycle schedule.
        backbone_rate: Of parameters that start from trained weights, as a share of ``learning_rate``.
        weight_decay: Of AdamW.
        clip_norm: Longest gradient that is taken as it is; longer ones are shortened to it. 0: none is.
        validation: Share of the training pairs that is held out where the manifest has no rows of split ``val``.
        patience: Stop after so many epochs without a better validation figure, and keep the weights of the best.
            0: train all epochs and keep the last; nothing is held out.
        options: The method's own settings, an instance of its ``Kind.options``.
    """

    method: str = "dsmhn"
    bits: tuple[int, ...] = (64,)
    seed: int = 0
    visual: Literal["auto", "image", "video"] = "auto"
    backbone: str = "efficientnet_lite0"
    weights: str = "imagenet"
    image_size: int = 224
    resize: Literal["squash", "pad", "crop"] = "pad"
    frames: int = 8
    unfreeze: int = 0
    views: int = 1
    feature_dtype: Literal["float32", "bfloat16"] = "float32"
    embeddings: str = ""
    embedding_dim: int = 192
    train_embeddings: bool = False
    vocabulary: int = 30_000
    text_length: int = 48
    epochs: int = 30
    batch_size: int = 256
    accumulate: int = 1
    precision: Literal["no", "bf16", "fp16"] = "no"
    learning_rate: float = 2e-3
    backbone_rate: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 0.0
    validation: float = 0.1
    patience: int = 0
    options: Any = None

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, before an hour of work."""
        bits = self.bits
        if not bits or list(bits) != sorted(set(bits)) or any(b % 8 or b < 8 for b in bits):
            raise InputError(f"bits is {bits}; ascending multiples of 8 are needed, such as 16,32,64")
        for name, allowed in _CHOICES.items():
            check_choice(self, name, allowed)
        for name, lowest in _LOWEST.items():
            check_least(self, lowest, name)
        if not 0 < self.validation < 1:
            raise InputError(f"validation is {self.validation}; a share between 0 and 1 is needed")
        if self.options is None:
            object.__setattr__(self, "options", METHODS[self.method].options())


def load_config(recipe: str | Path | None = None, **overrides: object) -> TrainConfig:
    """The settings of ``recipe`` with ``overrides`` on top.

    Args:
        recipe: A TOML file, or the name of one that ships with the package; None for the defaults. Settings of
            :class:`TrainConfig` stand at its top, those of the method under ``[options]``.
        overrides: Fields of :class:`TrainConfig` or of the method's options; None means "as in the recipe".

    Raises:
        InputError: No such recipe, not TOML, an unknown setting, or a value that cannot be.

    Example:
        >>> config = load_config(bits=(16, 32), epochs=5, hidden=128)
        >>> config.bits, config.options.hidden
        ((16, 32), 128)
    """
    values = {} if recipe is None else _read_recipe(recipe)
    given = {name: value for name, value in overrides.items() if value is not None}
    options = dict(values.pop("options", {}))
    method = given.get("method")
    if options and method is not None and method != (written := values.get("method", "dsmhn")):
        raise InputError(f"recipe {str(recipe)!r} sets options of method {written!r}, not {method!r}; choose another")
    shared = {f.name for f in fields(TrainConfig)}
    for name, value in given.items():
        (values if name in shared else options)[name] = value
    return from_mapping({"options": options} | values)


def from_mapping(values: Mapping[str, Any]) -> TrainConfig:
    """A config from plain values, as in TOML or JSON; ``options`` is a mapping.

    Raises:
        InputError: An unknown setting, or a value of the wrong type.
    """
    method = values.get("method", "dsmhn")
    if method not in METHODS:
        raise InputError(f"method is {method!r}; one of {', '.join(METHODS)} is needed")
    kind = METHODS[method].options
    shared = {name: value for name, value in values.items() if name != "options"}
    options = values.get("options", {})
    names, own = _names(TrainConfig) - {"options"}, _names(kind)
    if unknown := sorted((set(shared) - names) | (set(options) - own)):
        raise InputError(
            f"unknown setting {', '.join(unknown)}; there are: {', '.join(sorted(names))}; "
            f"among the options of {method}: {', '.join(sorted(own))}"
        )
    return replace(
        TrainConfig(method=method), **_checked(TrainConfig(), shared), options=kind(**_checked(kind(), options))
    )


def to_mapping(config: TrainConfig) -> dict[str, Any]:
    """Plain values of ``config``, for JSON."""
    return asdict(config)


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Settings written as ``NAME=VALUE``; a value is TOML, or a string where it is not.

    Raises:
        InputError: No ``=``, or no name before it.

    Example:
        >>> parse_settings(["epochs=3", "bits=[16, 32]", "similarity=triplet"])
        {'epochs': 3, 'bits': [16, 32], 'similarity': 'triplet'}
    """
    settings: dict[str, Any] = {}
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not sign or not name:
            raise InputError(f"the setting {text!r} is not NAME=VALUE")
        try:
            settings[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            settings[name] = value
    return settings


def _names(kind: type[Any]) -> set[str]:
    return {f.name for f in fields(kind)}


def _checked(default: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` as the types of the fields of ``default``."""
    return {name: _as(getattr(default, name), name, value) for name, value in values.items()}


def _as(default: object, name: str, value: object) -> object:
    kind = type(default)
    if isinstance(default, tuple):
        items = value if isinstance(value, (list, tuple)) else (value,)
        return tuple(_as(default[0] if default else "", name, item) for item in items)
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
            values = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}") from error
    if not isinstance(values.get("options", {}), dict):
        raise InputError(f"{path}: options is {values['options']!r}; a table of the method's settings is needed")
    return values


def _recipe_folders() -> list[Path]:
    return [RECIPES, RECIPES.parent.parent / "recipes"]
