"""How a picture, clip, text or vector becomes the input of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from milvus_hash.errors import InputError

Resize: TypeAlias = Literal["squash", "pad", "crop"]

# Far above what networks take, and far below what a number in a broken bundle could make the decoders allocate.
_MOST_PIXELS = 4096  # a side
_MOST_FRAMES = 1024
_MOST_BYTES = 1 << 28  # one clip
_MOST_TOKENS = 32_768
_MOST_NUMBERS = 32_768  # of a vector: Milvus' own limit


@dataclass(frozen=True, slots=True)
class ImageInput:
    """How a picture becomes the graph's input ``image``: uint8 ``(n, size, size, 3)``, RGB.

    Attributes:
        size: Side of the square input, in pixels.
        resize: ``squash`` ignores the aspect ratio, ``pad`` keeps it on white, ``crop`` cuts the centre.

    Raises:
        InputError: A value that cannot be; as for the other inputs.
    """

    size: int = 224
    resize: Resize = "squash"

    def __post_init__(self) -> None:
        _check_whole("size", self.size, _MOST_PIXELS)
        _check_resize(self.resize)


@dataclass(frozen=True, slots=True)
class VideoInput:
    """How a clip becomes the graph's input ``video``: uint8 ``(n, frames, size, size, 3)``, RGB.

    Frame ``i`` is the one on show at the time ``(i + 1/2) / frames`` of the clip's duration.

    Attributes:
        size: Side of the square frames, in pixels.
        resize: As for a picture; every frame is resized by itself.
        frames: Frames per clip.
    """

    size: int = 112
    resize: Resize = "squash"
    frames: int = 8

    def __post_init__(self) -> None:
        _check_whole("size", self.size, _MOST_PIXELS)
        _check_whole("frames", self.frames, _MOST_FRAMES)
        _check_resize(self.resize)
        if (size := 3 * self.frames * self.size**2) > _MOST_BYTES:
            raise InputError(f"{self.frames} frames of {self.size} pixels take {size:,} bytes; {_MOST_BYTES:,} may be")


@dataclass(frozen=True, slots=True)
class TextInput:
    """How a text becomes the graph's inputs ``input_ids`` and ``attention_mask``: int64 ``(n, length)``.

    Attributes:
        length: Tokens per text; longer texts are cut, shorter ones padded.
        tokenizer: File of the bundle that the ``tokenizers`` library reads.
    """

    length: int = 32
    tokenizer: str = "tokenizer.json"

    def __post_init__(self) -> None:
        _check_whole("length", self.length, _MOST_TOKENS)


@dataclass(frozen=True, slots=True)
class VectorInput:
    """A float vector that another model made is the graph's input ``vector`` as it is: float32 ``(n, width)``.

    Attributes:
        width: Numbers per vector.
    """

    width: int

    def __post_init__(self) -> None:
        _check_whole("width", self.width, _MOST_NUMBERS)


@dataclass(frozen=True, slots=True)
class Modality:
    """One graph of a bundle and how its input is made."""

    graph: str
    input: ImageInput | VideoInput | TextInput | VectorInput


INPUTS: dict[str, type[ImageInput | VideoInput | TextInput | VectorInput]] = {
    "image": ImageInput,
    "video": VideoInput,
    "text": TextInput,
    "vector": VectorInput,
}
"""The kind of input by the name of its modality."""


def _check_whole(name: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InputError(f"{name} is {value!r:.40}; a whole number from 1 to {most:,} is needed")


def _check_resize(value: object) -> None:
    if value not in get_args(Resize):
        raise InputError(f"resize is {value!r:.40}; {', '.join(get_args(Resize))} are possible")
