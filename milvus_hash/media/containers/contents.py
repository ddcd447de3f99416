"""What a picture's file holds, as far as it matters here."""

from __future__ import annotations

from dataclasses import dataclass


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


class BreaksOff(ValueError):
    """The file ends before its frames do."""

    def __init__(self, frames: int) -> None:
        super().__init__(f"the file is truncated after {frames} frames")
        self.frames = frames
