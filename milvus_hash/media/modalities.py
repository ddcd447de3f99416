"""The modalities: one row each, which says what everything else has to know of one.

Names of modalities stand in bundles (:data:`milvus_hash.bundle.inputs.INPUTS`), in rows and partitions of collections,
in columns of manifests and in attributes of records. Loaders are imported when they are made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, get_args

from milvus_hash.media import opening
from milvus_hash.names import ModalityName

Load: TypeAlias = Callable[[Any], Any]
"""A source to what a graph takes of it; raises InputError."""


@dataclass(frozen=True, slots=True)
class Medium:
    """What items of one modality are.

    Attributes:
        noun: What messages call one of them.
        loader: What loads sources, given the input that the bundle states.
        suffixes: Of its files. With any, a record's attribute and a manifest's column of the modality's name hold a
            path, and loading is done ahead, in threads.
    """

    noun: str
    loader: Callable[[Any], Load]
    suffixes: frozenset[str] = frozenset()


def _image(target: Any) -> Load:  # noqa: ANN401 (of any modality)
    from milvus_hash.media.image import load_image

    return partial(load_image, target=target)


def _video(target: Any) -> Load:  # noqa: ANN401
    from milvus_hash.media.video import load_video

    return partial(load_video, target=target)


def _text(_: Any) -> Load:  # noqa: ANN401
    from milvus_hash.media.text import check_text

    return check_text


def _vector(target: Any) -> Load:  # noqa: ANN401
    from milvus_hash.media.vector import check_vector

    return partial(check_vector, width=target.width)


# fmt: off
_FILMS = frozenset({
    ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".vob", ".m2ts", ".mts",
    ".wmv", ".asf", ".flv", ".ogv",
})
# fmt: on

MODALITIES: dict[str, Medium] = {
    "image": Medium("picture", _image, opening.SUFFIXES),
    "video": Medium("clip", _video, _FILMS),
    "text": Medium("text", _text),
    "vector": Medium("vector", _vector),
}
"""All of them, by name."""

NAMES: tuple[ModalityName, ...] = get_args(ModalityName)
"""The same, as a type checker knows them."""

FILES = tuple(name for name in NAMES if MODALITIES[name].suffixes)
"""Those that lie in files."""

RECORDED = (*FILES, "text")
"""Those that a record can have."""

OF_SUFFIX = {suffix: name for name in FILES for suffix in MODALITIES[name].suffixes}
"""What a file is, by its suffix in small letters.

An animated GIF, WebP or PNG is a picture, of which the first frame counts, unless the column ``video`` of a manifest
names it: most files of these suffixes do not move.
"""
