"""Pixels of any mode become RGB on white."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

_ROWS = 1 << 20  # pixels of a strip
_SCALES = (1, 255, 65535, 2**31 - 1)  # what white is in the usual ways to store a picture as numbers
_FAR = 16  # a picture whose brightest pixel is this many times darker than white is not of that scale
_NOTHING = 1e30  # what geographers' programs write where there is no pixel is about -3.4e38


def to_rgb(picture: Image.Image, levels: tuple[float, float] | None = None, *, inverted: bool = False) -> Image.Image:
    """RGB on white; greys of more than 8 bits are scaled into 0..255 instead of being cut off.

    Args:
        picture: An image of any mode, which stays as it is.
        levels: What is black and what is white in such greys, where :func:`grey_levels` was asked of a larger picture.
        inverted: What is black in such greys is white, and the other way round.
    """
    from PIL import Image

    if is_deep(picture):
        return _deep_grey(picture, levels or grey_levels(picture), inverted)
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


def grey_levels(picture: Image.Image) -> tuple[float, float]:
    """Which numbers are black and white in a grey of more than 8 bits.

    Sixteen bits without a sign are what they are. Other numbers say nothing of their scale: it is the smallest of the
    usual ones (1, 255, 65535, 31 bits; 1 for floats only) that holds the brightest pixel. If it holds it sixteen times,
    the brightest pixel is white. Below zero is black, unless it is a good part of the picture: then the lowest is.

    Example:
        >>> from PIL import Image
        >>> grey_levels(Image.new("F", (2, 2), 0.5)), grey_levels(Image.new("F", (2, 2), 1.5))
        ((0.0, 1.0), (0.0, 1.5))
    """
    if picture.mode.startswith("I;16"):
        return 0.0, 65535.0
    low = high = 0.0
    for strip in strips(picture):
        values = _numbers(strip)
        real = values[np.abs(values) < _NOTHING]  # neither NaN nor infinite
        low, high = min(low, real.min(initial=0.0)), max(high, real.max(initial=0.0))
    if low < -high / _FAR:
        return low, high
    scale = next((s for s in _SCALES[picture.mode != "F" :] if high <= s), high)
    return 0.0, float(scale if high == 0 or scale <= _FAR * high or scale == _SCALES[0] else high)


def strips(picture: Image.Image, multiple: int = 1) -> Iterator[Image.Image]:
    """``picture`` from top to bottom in parts of full width, each of a multiple of ``multiple`` rows but the last."""
    width, height = picture.size
    rows = multiple * max(1, _ROWS // (width * multiple))
    for top in range(0, height, rows):
        yield part(picture, top, min(top + rows, height))


def part(picture: Image.Image, top: int, bottom: int) -> Image.Image:
    """Some rows of ``picture``. Unlike ``crop`` this never takes a large picture for a bomb."""
    from PIL import Image

    box = (0, top, picture.width, bottom)
    return picture.resize((picture.width, bottom - top), Image.Resampling.NEAREST, box=box)


def _numbers(picture: Image.Image) -> NDArray[np.float64]:
    return np.asarray(picture, dtype=np.float64)


def _deep_grey(picture: Image.Image, levels: tuple[float, float], inverted: bool) -> Image.Image:
    from PIL import Image

    low, high = levels
    small = Image.new("L", picture.size)
    clear: Any = picture.info.get("transparency")
    top = 0
    for strip in strips(picture):
        values = np.nan_to_num(_numbers(strip), nan=low, posinf=high, neginf=low)
        grey = np.clip((values - low) * (255.0 / ((high - low) or 1.0)), 0.0, 255.0)
        if inverted:
            grey = 255.0 - grey
        if isinstance(clear, (int, float)):
            grey[values == clear] = 255.0
        small.paste(Image.fromarray(np.rint(grey).astype(np.uint8)), (0, top))
        top += strip.height
    return small.convert("RGB")
