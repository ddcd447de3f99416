"""What a picture's file holds, as far as it matters here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_PARTS = 1_000_000  # chunks or blocks of a file that are held on to, values of a tag


@dataclass(frozen=True, slots=True)
class Contents:
    """A file without its metadata.

    Attributes:
        file: What the decoder gets.
        format: Pillow's name of the format of ``file``.
        size: Width and height before it is turned; None where only the decoder can tell.
        orientation: How it is to be turned, as EXIF numbers it.
        scans: How often a decoder goes over the pixels of one frame.
        extra: Bytes that decoding takes beside the pixels and ``file``.
        durations: For how many milliseconds each frame of an animation is shown, 0 where it is not said; empty for a
            picture that does not move.
        stand_in: Whether a picture for programs that cannot animate comes before the frames.
        inverted: Whether the highest value is black, and the decoder leaves that to us.
        unsigned: Whether it holds integers of 32 bits without a sign, which the decoder takes for such with one.
    """

    file: bytes
    format: str
    size: tuple[int, int] | None = None
    orientation: int = 1
    scans: int = 1
    extra: int = 0
    durations: tuple[float, ...] = ()
    stand_in: bool = False
    inverted: bool = False
    unsigned: bool = False


def check_parts(parts: Sequence[object]) -> None:
    """Refuse a file in so many parts that their number alone takes time and memory.

    Raises:
        ValueError: It is in more than ``MOST_PARTS``.
    """
    if len(parts) > MOST_PARTS:
        raise ValueError(f"it is in more than {MOST_PARTS:,} parts")


class BreaksOff(ValueError):
    """The file ends before its frames do."""

    def __init__(self, frames: int) -> None:
        super().__init__(f"the file is truncated after {frames} frames")
        self.frames = frames
