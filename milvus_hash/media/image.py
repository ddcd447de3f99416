"""A picture, wherever it comes from, becomes the array that an image graph takes.

The orientation that EXIF or XMP states is applied, transparency is laid on white, palettes, grey, 16-bit and CMYK
become RGB, of an animation the first frame counts. A picture that cannot be used raises :class:`InputError` and nothing
else. Nothing changes on the way: neither an image that was handed in nor a setting of Pillow or of the process.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from milvus_hash.bundle import ImageInput, VideoInput
from milvus_hash.errors import InputError
from milvus_hash.media import borrowed, limits, opening
from milvus_hash.media.colour import Deep, is_deep, levelled, strips, to_rgb
from milvus_hash.media.containers.contents import Contents
from milvus_hash.media.files import as_file, name_of

if TYPE_CHECKING:
    from PIL import Image

ImageSource: TypeAlias = "str | Path | bytes | bytearray | memoryview | IO[bytes] | Image.Image | NDArray[np.uint8]"
"""What may be given as a picture: a path, the bytes of a file, a file open for reading, a Pillow image, or pixels uint8
``(height, width)``, ``(height, width, 3)`` or ``(height, width, 4)``."""

_LARGE = 16_000_000  # pixels from which a picture is converted strip by strip, to need little more than its decoding


def load_image(source: ImageSource, target: ImageInput) -> NDArray[np.uint8]:
    """Load a picture as uint8 ``(size, size, 3)``, RGB, resized as ``target`` says.

    Args:
        source: See :data:`ImageSource`.
        target: Size and resize rule, as the bundle states them.

    Raises:
        InputError: Missing, empty, no picture of a format that is read, truncated, or too large to decode.

    Example:
        >>> from PIL import Image
        >>> load_image(Image.new("RGB", (30, 20), "red"), ImageInput(size=8))[0, 0].tolist()
        [255, 0, 0]
    """
    return np.asarray(resize(read_picture(source, side=target.size), target), dtype=np.uint8)


def read_picture(source: ImageSource, *, side: int | None = None) -> Image.Image:
    """Read a picture upright, in RGB, on white.

    Args:
        source: See :data:`ImageSource`.
        side: The picture will be shrunk to about this many pixels: a JPEG is then decoded at a fraction of its size.

    Raises:
        InputError: As :func:`load_image`.
    """
    from PIL import Image

    source = _given(source)
    name = name_of(source, "picture")
    if isinstance(source, Image.Image):
        with borrowed.kept_as_it_is(source, name) as found:
            if isinstance(found, Contents):
                return decode(found, name, side)
            return _upright(found, borrowed.orientation_of(found), side, name)
    contents = opening.read(source, name)
    if contents is None:
        known = ", ".join(opening.FORMATS)
        raise InputError(f"{name} is not a picture of a format that is read ({known})")
    return decode(contents, name, side)


def _given(source: Any) -> str | Path | bytes | Image.Image:  # noqa: ANN401 (whatever is given)
    """``source`` as a file or as a Pillow image.

    Raises:
        InputError: It is neither, nor pixels.
    """
    from PIL import Image

    if isinstance(source, Image.Image):
        return source
    if not hasattr(source, "__array__") or not hasattr(source, "shape"):
        return as_file(source, "picture", ", a Pillow image or uint8 (height, width, 3)")
    try:
        pixels = np.asarray(source)
    except Exception as error:  # a tensor that is on another device, or has a gradient
        raise InputError(f"the picture is a {type(source).__name__} that gives no array: {error}") from error
    if (
        pixels.dtype != np.uint8
        or not pixels.size > 0
        or pixels.ndim not in (2, 3)
        or pixels.shape[2:] not in ((), (3,), (4,))
    ):
        raise InputError(
            f"the picture is an array of {pixels.dtype} {pixels.shape}: uint8 (height, width), (height, width, 3) or "
            f"(height, width, 4) is needed{_instead(pixels)}"
        )
    return Image.fromarray(pixels)


def _instead(pixels: NDArray[Any]) -> str:
    """How pixels as neural networks take them become some of a picture; empty where nothing is known."""
    if pixels.dtype.kind == "f":
        return "; numbers from 0 to 1 become that with (picture * 255).round().astype('uint8')"
    if pixels.ndim == 4:
        return "; several pictures are a list"
    return "; picture.transpose(1, 2, 0) puts the channels last" if pixels.shape[:1] in ((3,), (4,)) else ""


def decode(contents: Contents, name: str, side: int | None = None) -> Image.Image:
    """The picture in ``contents``: upright, in RGB, on white.

    Raises:
        InputError: It is broken, or too large to decode.
    """
    from PIL import Image

    with opening.decoder(contents, name) as picture:
        if side is not None and picture.format == "JPEG":
            picture.draft("RGB", (side, side))
        if picture.format == "TIFF":  # else it asks Pillow's own limit, and warns
            picture.im = Image.new(picture.mode, picture.size).im
        picture.load()
        deep = Deep(inverted=contents.inverted, unsigned=contents.unsigned)
        turn = contents.orientation if contents.format != "AVIF" else borrowed.orientation_of(picture)
        return _upright(picture, turn, side, name, deep)


def _upright(
    picture: Image.Image, orientation: int, side: int | None, name: str, deep: Deep | None = None
) -> Image.Image:
    """``picture`` in RGB on white, shrunk if it is large, then turned as ``orientation`` says."""
    from PIL import Image

    limits.check_pixels(*picture.size, name)
    with opening.errors(name):
        large = side is not None and picture.width * picture.height > _LARGE
        rgb = _shrink(picture, side or 1, deep) if large else to_rgb(picture, deep)
        turns = Image.Transpose
        turn = {
            2: turns.FLIP_LEFT_RIGHT,
            3: turns.ROTATE_180,
            4: turns.FLIP_TOP_BOTTOM,
            5: turns.TRANSPOSE,
            6: turns.ROTATE_270,
            7: turns.TRANSVERSE,
            8: turns.ROTATE_90,
        }.get(orientation)
        return rgb if turn is None else rgb.transpose(turn)


def _shrink(picture: Image.Image, side: int, deep: Deep | None) -> Image.Image:
    """RGB on white, reduced by a whole factor that leaves at least twice ``side`` pixels; strip by strip."""
    from PIL import Image

    width, height = picture.size
    deep = levelled(picture, deep) if is_deep(picture) else None
    factor = max(1, min(width, height) // (2 * side))
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    top = 0
    for strip in strips(picture, factor):
        reduced = to_rgb(strip, deep).reduce(factor)
        small.paste(reduced, (0, top))
        top += reduced.height
    return small


def resize(picture: Image.Image, target: ImageInput | VideoInput) -> Image.Image:
    """``picture``, in RGB, as the square that ``target`` asks for."""
    from PIL import Image, ImageOps

    side = (target.size, target.size)
    bilinear = Image.Resampling.BILINEAR
    if target.resize == "pad":
        return ImageOps.pad(picture, side, bilinear, color="white")
    if target.resize == "crop":
        return ImageOps.fit(picture, side, bilinear)
    return picture.resize(side, bilinear, reducing_gap=2.0)
