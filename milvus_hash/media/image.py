"""A picture, wherever it comes from, becomes the array that an image graph takes.

EXIF orientation is applied, transparency is laid on white, palettes, grey, 16-bit and CMYK become RGB, of an
animation the first frame counts. A picture that cannot be used raises :class:`InputError` and nothing else.
"""

from __future__ import annotations

import io
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from milvus_hash.bundle import ImageInput, VideoInput
from milvus_hash.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

ImageSource: TypeAlias = "str | Path | bytes | Image.Image"

MAX_PIXELS = 178_956_970  # 1 GB as RGB, where Pillow too sees a decompression bomb
_LARGE = 16_000_000  # pixels from which a picture is converted strip by strip, to need little more than its decoding


def load_image(source: ImageSource, target: ImageInput) -> NDArray[np.uint8]:
    """Load a picture as uint8 ``(size, size, 3)``, RGB, resized as ``target`` says.

    Args:
        source: A path, the bytes of a file, or a Pillow image.
        target: Size and resize rule, as the bundle states them.

    Raises:
        InputError: Missing, empty, not a picture, truncated, or of more than ``MAX_PIXELS`` pixels.

    Example:
        >>> from PIL import Image
        >>> load_image(Image.new("RGB", (30, 20), "red"), ImageInput(size=8))[0, 0].tolist()
        [255, 0, 0]
    """
    return np.asarray(resize(read_picture(source, side=target.size), target), dtype=np.uint8)


def read_picture(source: ImageSource, *, side: int | None = None) -> Image.Image:
    """Read a picture upright, in RGB, on white.

    Args:
        source: A path, the bytes of a file, or a Pillow image.
        side: The picture will be shrunk to about this many pixels: a JPEG is then decoded at a fraction of its size.

    Raises:
        InputError: As :func:`load_image`.
    """
    from PIL import Image

    name = name_of(source, "picture")
    with pillow_errors(name):
        if isinstance(source, Image.Image):
            return _convert(source, side, name)
        with Image.open(plain_file(source, name)) as picture:
            return _convert(picture, side, name)


def name_of(source: ImageSource, kind: str) -> str:
    """What a message calls ``source``: its path, or the ``kind`` of thing that it is."""
    return str(source) if isinstance(source, (str, Path)) else f"the {kind}"


@contextmanager
def pillow_errors(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises over ``name`` into InputError, and silence its warnings."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and of sizes; the first does not matter, the second is checked here
            warnings.simplefilter("ignore")
            yield
    except UnidentifiedImageError as error:
        raise InputError(f"{name} is not a picture that Pillow can read") from error
    except Image.DecompressionBombError as error:
        raise InputError(_too_large(name)) from error
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{name} does not fit into memory") from error
    except Exception as error:  # Pillow's decoders raise whatever a broken file provokes in them
        raise InputError(f"{name} cannot be decoded: {reason(error)}") from error


def plain_file(source: str | Path | bytes, name: str, kind: str = "picture") -> Path | io.BytesIO:
    """``source`` as something that can be opened without fear.

    Raises:
        InputError: Missing, empty, a folder, or not a plain file.
    """
    if isinstance(source, bytes):
        if not source:
            raise InputError(f"{name} is empty (0 bytes)")
        return io.BytesIO(source)
    path = Path(source)
    try:
        status = path.stat()  # one call: what is not a plain file could block for ever when opened
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be opened: {reason(error)}") from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{name} is a directory, not a {kind}")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{name} is not a plain file")
    if not status.st_size:
        raise InputError(f"{name} is empty (0 bytes)")
    return path


def check_pixels(width: int, height: int, name: str) -> None:
    """Refuse a picture or frame without pixels, or with more than ``MAX_PIXELS``.

    Raises:
        InputError: It is one of these.
    """
    if not width or not height:
        raise InputError(f"{name} has no pixels ({width} x {height})")
    if width * height > MAX_PIXELS:
        raise InputError(_too_large(name, width * height))


def _convert(picture: Image.Image, side: int | None, name: str) -> Image.Image:
    from PIL import ExifTags, ImageOps

    width, height = picture.size
    check_pixels(width, height, name)
    if side is not None and picture.format == "JPEG":
        picture.draft("RGB", (side, side))
    picture.load()  # before the orientation is known: PNG may hold it behind the pixels
    upright = ImageOps.exif_transpose(picture) if picture.getexif().get(ExifTags.Base.Orientation, 1) != 1 else picture
    if side is not None and width * height > _LARGE:
        return _shrink(upright, side)
    return to_rgb(upright)


def _shrink(picture: Image.Image, side: int) -> Image.Image:
    """RGB on white, reduced by a whole factor that leaves at least twice ``side`` pixels; strip by strip."""
    from PIL import Image

    width, height = picture.size
    factor = max(1, min(width, height) // (2 * side))
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = 64 * factor
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(top + rows, height)))
        small.paste(to_rgb(strip).reduce(factor), (0, top // factor))
    return small


def to_rgb(picture: Image.Image) -> Image.Image:
    """RGB on white; 16-bit and float greys are scaled into 0..255 instead of being cut off."""
    from PIL import Image

    if picture.mode.startswith("I;16") or picture.mode == "I":
        grey = np.asarray(picture, dtype=np.float64) / 257.0  # 65535 -> 255
        picture = Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8))
    elif picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        scale = 255.0 if values.max(initial=0.0) <= 1.0 else 1.0
        picture = Image.fromarray(np.clip(np.rint(values * scale), 0, 255).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    rgba = picture.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


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


def _too_large(name: str, pixels: int | None = None) -> str:
    has = f"{pixels:,} pixels" if pixels else "too many pixels"
    return f"{name} has {has}; at most {MAX_PIXELS:,} are decoded (a larger one is taken for a decompression bomb)"


def reason(error: Exception) -> str:
    """One line that says what ``error`` is."""
    return " ".join(str(error).split()) or type(error).__name__
