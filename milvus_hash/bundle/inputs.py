"""How a picture, clip, text or vector becomes the input of a graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from milvus_hash.errors import InputError

Resize: TypeAlias = Literal["squash", "pad", "crop"]
Tensor: TypeAlias = tuple[str, tuple[int | None, ...]]
"""The type of a tensor as onnxruntime writes it, and its shape; None is a free size."""

# Far above what networks take, and far below what a number in a broken bundle could make the decoders allocate.
_MOST_PIXELS = 4096  # a side
_MOST_FRAMES = 1024
_MOST_BYTES = 1 << 28  # one clip
_MOST_TOKENS = 32_768
_MOST_NUMBERS = 32_768  # of a vector: Milvus' own limit


@dataclass(frozen=True, slots=True)
class Input(ABC):
    """What all inputs say of themselves."""

    @property
    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """The inputs of the graph by name."""

    @property
    def counts_as(self) -> int:
        """As how many inputs of a batch one counts."""
        return 1


@dataclass(frozen=True, slots=True)
class ImageInput(Input):
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

    @property
    def tensors(self) -> dict[str, Tensor]:
        """As :attr:`Input.tensors`."""
        return {"image": ("tensor(uint8)", (None, self.size, self.size, 3))}


@dataclass(frozen=True, slots=True)
class VideoInput(Input):
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

    @property
    def tensors(self) -> dict[str, Tensor]:
        """As :attr:`Input.tensors`."""
        return {"video": ("tensor(uint8)", (None, self.frames, self.size, self.size, 3))}

    @property
    def counts_as(self) -> int:
        """A clip counts as much as its frames."""
        return self.frames


@dataclass(frozen=True, slots=True)
class TextInput(Input):
    """How a text becomes the graph's inputs ``input_ids`` and ``attention_mask``: int64 ``(n, length)``.

    Attributes:
        length: Tokens per text; longer texts are cut, shorter ones padded.
        tokenizer: File of the bundle that the ``tokenizers`` library reads.
    """

    length: int = 32
    tokenizer: str = "tokenizer.json"

    def __post_init__(self) -> None:
        _check_whole("length", self.length, _MOST_TOKENS)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """As :attr:`Input.tensors`."""
        return dict.fromkeys(("input_ids", "attention_mask"), ("tensor(int64)", (None, self.length)))


@dataclass(frozen=True, slots=True)
class VectorInput(Input):
    """A float vector that another model made is the graph's input ``vector`` as it is: float32 ``(n, width)``.

    Attributes:
        width: Numbers per vector.
    """

    width: int

    def __post_init__(self) -> None:
        _check_whole("width", self.width, _MOST_NUMBERS)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """As :attr:`Input.tensors`."""
        return {"vector": ("tensor(float)", (None, self.width))}


@dataclass(frozen=True, slots=True)
class Modality:
    """One graph of a bundle and how its input is made."""

    graph: str
    input: Input


INPUTS: dict[str, type[Input]] = {
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
