"""Films (MP4, MOV, MKV, WebM, AVI and their kin) by PyAV: how long they are, and the frames that are asked for."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from milvus_hash.errors import InputError
from milvus_hash.extras import require
from milvus_hash.media import limits
from milvus_hash.media.colour import to_rgb
from milvus_hash.media.files import check_file, reason

if TYPE_CHECKING:
    from PIL.Image import Image

# FFmpeg also "reads" plain texts as terminal art, and playlists that name other files and hosts: only these are let in
_OPTIONS = {"format_whitelist": "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg", "protocol_whitelist": "file"}
_MAY_MISS = 0.05  # of the duration that the header states, which is not always exact; half a second always may


@dataclass(frozen=True, slots=True)
class Timeline:
    """When a film's frames are on show, in the time base of its video stream.

    Attributes:
        start: When the first frame begins.
        end: When the last frame ends.
        frames: How many there are.
        keys: When the frames begin that can be decoded without those before them, ascending.
    """

    start: float
    end: float
    frames: int
    keys: Sequence[int]


def read_timeline(source: str | Path | bytes, name: str) -> Timeline:
    """Read a film from end to end without decoding it.

    Raises:
        InputError: It is no film, has no frames, breaks off, or its frames are too large.
        MissingExtra: PyAV is not installed.
    """
    keys: list[int] = []
    begins, ends = _Span(), _Span()  # of the frames, in the time base of their stream
    everything = _Span()  # all streams, in seconds
    with _opened(source, name) as (container, stream):
        for packet in _packets(container, stream, name):
            begin = _begin(packet)
            if begin is None or packet.is_discard:  # the end of a stream; what an edit list leaves out
                continue
            until = begin + (packet.duration or 0)
            everything.add(float(begin * packet.time_base), float(until * packet.time_base))
            if packet.stream is stream:
                begins.add(begin)
                ends.add(until)
                if packet.is_keyframe:
                    keys.append(begin)
        stated = (container.duration or 0) / 1e6
        length = stream.duration or 0
    if not begins.count:
        raise InputError(f"{name} has no frames")
    if everything.length < stated - max(0.5, _MAY_MISS * stated):
        there = f"{everything.length:.1f} of {stated:.1f} seconds are there"
        raise InputError(f"{name} breaks off after {begins.count} frames: {there}")
    # How long the last frame is shown: what the stream states; else its packet, which in an MP4 of varying rate may
    # have the length of another frame; else, as the others on average.
    gap = begins.length / max(1, begins.count - 1)
    candidates = (begins.low + length, ends.high, begins.high + gap)
    end = next((end for end in candidates if end > begins.high), begins.high + 1)
    return Timeline(begins.low, end, begins.count, sorted(keys))


def frames(
    source: str | Path | bytes, name: str, timeline: Timeline, times: Sequence[float]
) -> Iterator[tuple[float, Any]]:
    """When a frame begins, and the frame (``av.VideoFrame``): all that it takes to see what is on show at ``times``.

    Stretches between key frames in which none of the ``times`` lies are not decoded.

    Raises:
        InputError: It breaks off, or its frames are too large.
    """
    goals: dict[int | None, float] = {}  # key frame -> the last of the times that it leads to
    for time in times:
        before = bisect_right(timeline.keys, time)
        goals[timeline.keys[before - 1] if before else None] = time
    goal = goals.get(None)
    step = (timeline.end - timeline.start) / timeline.frames
    begin = timeline.start - step
    with _opened(source, name) as (container, stream):
        for number, packet in enumerate(_packets(container, stream, name, only=True)):
            if packet.is_keyframe:
                goal = goals.get(_begin(packet), goal)
            if goal is None:
                continue
            for frame in _decode(packet, name, number):
                begin = begin + step if frame.pts is None else frame.pts
                yield begin, frame
            if begin > goal:
                goal = None
                stream.codec_context.flush_buffers()


def to_picture(frame: Any, name: str) -> Image:  # noqa: ANN401 (PyAV is optional)
    """An ``av.VideoFrame`` upright, in RGB, on white.

    Raises:
        InputError: FFmpeg cannot convert its pixels.
    """
    from PIL import Image

    has_alpha = any(component.is_alpha for component in frame.format.components)
    with _errors(f"{name} has a frame of pixels in the format {frame.format.name}, which cannot be converted"):
        pixels = frame.to_ndarray(format="rgba" if has_alpha else "rgb24")
    upright = np.rot90(pixels, round(frame.rotation / 90))  # both count anticlockwise
    return to_rgb(Image.fromarray(np.ascontiguousarray(upright)))


def _begin(packet: Any) -> int | None:  # noqa: ANN401
    """When what is in a packet begins, as far as it says so: an AVI may know the order of decoding only."""
    begin: int | None = packet.dts if packet.pts is None else packet.pts
    return begin


class _Span:
    """The lowest and the highest of some numbers."""

    def __init__(self) -> None:
        self.low, self.high, self.count = float("inf"), float("-inf"), 0

    def add(self, *values: float) -> None:
        self.low, self.high = min(self.low, *values), max(self.high, *values)
        self.count += 1

    @property
    def length(self) -> float:
        return self.high - self.low if self.count else 0.0


@contextmanager
def _opened(source: str | Path | bytes, name: str) -> Iterator[tuple[Any, Any]]:
    """A container and its main video stream, ready to decode in this thread."""
    av = require("av", "video")
    with _errors(f"{name} is not a video that can be read, or is cut off before its index"):
        check_file(source, name, "video")
        # absolute: never taken for a protocol
        where = io.BytesIO(source) if isinstance(source, bytes) else str(Path(source).absolute())
        container = av.open(where, options=_OPTIONS, metadata_errors="replace")
    with container:
        stream = container.streams.best("video")
        if stream is None:
            raise InputError(f"{name} has no video stream, or is cut off before its index")
        codec = stream.codec_context
        if codec is None:
            raise InputError(f"{name} is of a codec that this PyAV cannot decode")
        limits.check_pixels(codec.width, codec.height, name)
        codec.options = {"max_pixels": str(limits.MAX_PIXELS)}  # a frame in the middle may be larger than the first
        codec.thread_count = 1  # clips are decoded side by side
        yield container, stream


def _packets(container: Any, stream: Any, name: str, *, only: bool = False) -> Iterator[Any]:  # noqa: ANN401
    """The packets of all streams, or ``only`` those of ``stream``."""
    packets = iter(container.demux(stream) if only else container.demux())
    number = 0
    while True:
        with _errors(f"{name} breaks off after {number} frames"):
            packet = next(packets, None)
        if packet is None:
            return
        if packet.stream is stream:
            if packet.is_corrupt:
                raise InputError(f"{name} breaks off after {number} frames: the next one is incomplete")
            number += 1
        yield packet


def _decode(packet: Any, name: str, number: int) -> list[Any]:  # noqa: ANN401
    with _errors(f"{name} breaks off after {number} frames"):
        decoded: list[Any] = packet.decode()
        return decoded


@contextmanager
def _errors(message: str) -> Iterator[None]:
    """Turn whatever FFmpeg raises into InputError with ``message``."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{message}: it does not fit into memory") from error
    except Exception as error:  # besides FFmpeg's own errors, whatever a broken file provokes in PyAV
        raise InputError(f"{message}: {getattr(error, 'strerror', None) or reason(error)}") from error
