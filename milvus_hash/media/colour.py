"""Pixels of any mode become RGB on white."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

_STRIP = 1 << 20  # pixels
_SCALES = (1, 255, 65535, 2**31 - 1, 2**32 - 1)  # what white is in the usual ways to store a picture as numbers
_FAR = 16  # a picture whose brightest pixel is this many times darker than white is not of that scale
_NOTHING = 1e30  # what geographers' programs write where there is no pixel is about -3.4e38


@dataclass(frozen=True, slots=True)
class Deep:
    """What the numbers of a grey of more than 8 bits mean.

    Attributes:
        levels: Which are black and white; None where they are to be looked for.
        inverted: Whether what is black by ``levels`` is white, and the other way round.
        unsigned: Whether they are integers of 32 bits without a sign.
    """

    levels: tuple[float, float] | None = None
    inverted: bool = False
    unsigned: bool = False


def to_rgb(picture: Image.Image, deep: Deep | None = None) -> Image.Image:
    """RGB on white; greys of more than 8 bits are scaled into 0..255 instead of being cut off.

    Args:
        picture: An image of any mode, which stays as it is.
        deep: What is known of the numbers of such a grey.
    """
    from PIL import Image

    if is_deep(picture):
        return _deep_grey(picture, levelled(picture, deep))
    if picture.mode == "La":
        picture = picture.convert("LA")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    rgba = picture.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def is_deep(picture: Image.Image) -> bool:
    """Whether ``picture`` is a grey of more than 8 bits."""
    return picture.mode in ("I", "F") or picture.mode.startswith("I;16")


def levelled(picture: Image.Image, deep: Deep | None = None) -> Deep:
    """``deep`` with the levels of ``picture``, which is a grey of more than 8 bits.

    Sixteen bits without a sign are what they are. Other numbers say nothing of their scale: it is the smallest of the
    usual ones (1 for floats, 255, 65535, 31 bits) that holds the brightest pixel. If it holds it sixteen times, the
    brightest pixel is white. Below zero is black, unless it is a good part of the picture: then the lowest is.

    Example:
        >>> from PIL import Image
        >>> [levelled(Image.new("F", (2, 2), value)).levels for value in (0.5, 1.5, 200)]
        [(0.0, 1.0), (0.0, 1.5), (0.0, 255.0)]
    """
    deep = deep or Deep()
    if deep.levels is not None:
        return deep
    if picture.mode.startswith("I;16"):
        return replace(deep, levels=(0.0, 65535.0))
    low = high = 0.0
    for strip in strips(picture):
        values = _numbers(strip, deep)
        real = values[np.abs(values) < _NOTHING]  # neither NaN nor infinite
        low, high = min(low, float(real.min(initial=0.0))), max(high, float(real.max(initial=0.0)))
    if low < -high / _FAR:
        return replace(deep, levels=(low, high))
    scale = next((s for s in _SCALES[picture.mode != "F" :] if high <= s), high)
    return replace(deep, levels=(0.0, float(high if scale > max(_SCALES[0], _FAR * high) and high else scale)))


def strips(picture: Image.Image, multiple: int = 1) -> Iterator[Image.Image]:
    """``picture`` from top to bottom in parts of full width, each of a multiple of ``multiple`` rows but the last.

    They are not cropped, as ``crop`` may take a part for a decompression bomb.
    """
    from PIL import Image

    width, height = picture.size
    rows = multiple * max(1, _STRIP // (width * multiple))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        box = (0, top, width, bottom)
        yield picture.resize((width, bottom - top), Image.Resampling.NEAREST, box=box)


def _numbers(picture: Image.Image, deep: Deep) -> NDArray[np.float64]:
    numbers = np.asarray(picture)
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        return (numbers.view(np.uint32) if deep.unsigned else numbers).astype(np.float64)


def _deep_grey(picture: Image.Image, deep: Deep) -> Image.Image:
    from PIL import Image

    clear = picture.info.get("transparency")
    grey = Image.new("L", picture.size)
    sixteen = picture.mode.startswith("I;16")
    table = _to_bytes(np.arange(65536, dtype=np.float64), deep, clear) if sixteen else None
    top = 0
    for strip in strips(picture):
        values = _to_bytes(_numbers(strip, deep), deep, clear) if table is None else table[np.asarray(strip)]
        grey.paste(Image.fromarray(values), (0, top))
        top += strip.height
    return grey.convert("RGB")


def _to_bytes(numbers: NDArray[np.float64], deep: Deep, clear: object) -> NDArray[np.uint8]:
    """Greys of 8 bits; white where a number is ``clear``, the one that stands for transparency."""
    low, high = deep.levels or (0.0, 1.0)
    values = np.nan_to_num(numbers, nan=low, posinf=high, neginf=low)
    values = np.clip((values - low) * (255.0 / ((high - low) or 1.0)), 0.0, 255.0)
    if deep.inverted:
        values = 255.0 - values
    if isinstance(clear, (int, float)):
        values[numbers == clear] = 255.0
    return np.rint(values).astype(np.uint8)
