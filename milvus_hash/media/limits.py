"""What one picture or clip may take to decode, whatever its few bytes claim to hold.

The limits are checked before a pixel is decoded: pixels of a picture or frame, bytes of memory while it is decoded,
and, where a decoder goes over the pixels more than once (frames of an animation, scans of a JPEG), how often and how
many pixels that is in all.
"""

from __future__ import annotations

from milvus_hash.errors import InputError

MAX_PIXELS = 178_956_970  # where Pillow too sees a decompression bomb
MAX_MEMORY = 1_000_000_000  # bytes for one picture, each decoding thread has one: its file and what decoding it takes
MAX_PASSES = 100_000  # frames of an animation, scans of a JPEG, however small
MAX_WORK = 4_000_000_000  # pixels in all: 1,900 frames in full HD, a minute of decoding at the worst

_BOMB = "(what takes more is taken for a decompression bomb)"


def check_pixels(width: int, height: int, name: str) -> None:
    """Refuse a picture or frame without pixels, or with more than ``MAX_PIXELS``.

    Raises:
        InputError: It is one of these.
    """
    if width <= 0 or height <= 0:
        raise InputError(f"{name} has no pixels ({width} x {height})")
    if width * height > MAX_PIXELS:
        raise InputError(f"{name} has {width * height:,} pixels; at most {MAX_PIXELS:,} are decoded {_BOMB}")


def check_memory(size: int, name: str) -> None:
    """Refuse what takes more than ``MAX_MEMORY`` bytes to decode.

    Raises:
        InputError: It does.
    """
    if size > MAX_MEMORY:
        raise InputError(f"{name} takes {size:,} bytes of memory to decode; at most {MAX_MEMORY:,} are given {_BOMB}")


def check_work(passes: int, what: str, width: int, height: int, name: str) -> None:
    """Refuse what has more than ``MAX_PASSES`` frames or scans, or more than ``MAX_WORK`` pixels in all of them.

    Raises:
        InputError: It has.
    """
    if passes > MAX_PASSES:
        raise InputError(f"{name} has {passes:,} {what}; at most {MAX_PASSES:,} are decoded {_BOMB}")
    if passes * width * height > MAX_WORK:
        raise InputError(
            f"{name} has {passes:,} {what} of {width:,} x {height:,}, {passes * width * height:,} pixels in all; "
            f"at most {MAX_WORK:,} are decoded {_BOMB}"
        )
