"""A clip, wherever it comes from, becomes the array that a video graph takes.

Animated WebP, GIF and PNG are read by Pillow (:mod:`milvus_hash.media.animation`), films such as MP4, WebM, MKV, AVI
and MOV by PyAV (:mod:`milvus_hash.media.film`, extra ``video``). Both go through a clip twice, once to learn how long
it is and once for the frames, and hold one frame at a time: memory does not grow with the length of a clip. A picture
counts as a clip of one frame. A clip that cannot be used raises :class:`InputError` and nothing else.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from milvus_hash.bundle import VideoInput
from milvus_hash.errors import InputError
from milvus_hash.media import animation, film, opening
from milvus_hash.media.files import as_file, name_of
from milvus_hash.media.image import decode, resize

if TYPE_CHECKING:
    from PIL import Image

VideoSource: TypeAlias = "str | Path | bytes | bytearray | memoryview | IO[bytes]"
"""What may be given as a clip: a path, the bytes of a file, or a file open for reading."""
File: TypeAlias = "str | Path | bytes"
Frame = TypeVar("Frame")


def load_video(source: VideoSource, target: VideoInput) -> NDArray[np.uint8]:
    """Load a clip as uint8 ``(frames, size, size, 3)``, RGB, each frame resized by itself as ``target`` says.

    Frame ``i`` is the one on show at the time ``(i + 1/2) / frames`` of the clip's duration, whatever the distances
    between its frames; a clip of fewer frames repeats them.

    Args:
        source: See :data:`VideoSource`.
        target: Frames, size and resize rule, as the bundle states them.

    Raises:
        InputError: Missing, empty, not a clip, without frames, broken midway, or of too large frames.
        MissingExtra: A film, and PyAV is not installed.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> red, blue = Image.new("RGB", (30, 20), "red"), Image.new("RGB", (30, 20), "blue")
        >>> file = io.BytesIO()
        >>> red.save(file, "GIF", save_all=True, append_images=[blue], duration=[300, 100])
        >>> load_video(file.getvalue(), VideoInput(size=8, frames=4))[:, 0, 0].tolist()
        [[255, 0, 0], [255, 0, 0], [255, 0, 0], [0, 0, 255]]
    """
    file = as_file(source, "video")
    try:
        return _stack(_sampled(file, target, film.read_timeline), file, target)
    except film.OutOfStep:
        return _stack(_sampled(file, target, film.decode_timeline), file, target)


def _stack(sampled: Iterable[tuple[Image.Image, int]], source: File, target: VideoInput) -> NDArray[np.uint8]:
    arrays: list[NDArray[np.uint8]] = []
    for frame, times in sampled:
        arrays += [np.asarray(resize(frame, target), dtype=np.uint8)] * times
    if not arrays:
        raise InputError(f"{name_of(source, 'video')} has no frames that can be decoded")
    return np.stack(arrays)


def _sampled(
    source: File, target: VideoInput, timeline_of: Callable[[File, str], film.Timeline]
) -> Iterator[tuple[Image.Image, int]]:
    """The frames of a clip that :func:`load_video` takes, in RGB, not resized yet, and how often it takes each.

    Raises:
        film.OutOfStep: The timeline does not hold.
        InputError, MissingExtra: As :func:`load_video`.
    """
    name = name_of(source, "video")
    contents = opening.read(source, name, "video", every_frame=True)
    if contents is not None and not contents.durations:
        yield decode(contents, name, target.size), target.frames
    elif contents is not None:
        *begins, end = animation.begins(contents)
        shown = list(on_show(zip(begins, count(), strict=False), moments(0.0, end, target.frames)))
        pictures = animation.frames(contents, name, [number for number, _ in shown])
        yield from zip(pictures, (repeats for _, repeats in shown), strict=True)
    else:
        timeline = timeline_of(source, name)
        times = moments(timeline.start, timeline.end, target.frames)
        for frame, repeats in on_show(film.frames(source, name, timeline, times), times):
            yield film.to_picture(frame, name), repeats


def moments(start: float, end: float, count: int) -> list[float]:
    """The middles of ``count`` equal parts of the time from ``start`` to ``end``.

    Example:
        >>> moments(0.0, 400.0, 4)
        [50.0, 150.0, 250.0, 350.0]
    """
    return [start + (end - start) * (index + 0.5) / count for index in range(count)]


def on_show(frames: Iterable[tuple[float, Frame]], times: Sequence[float]) -> Iterator[tuple[Frame, int]]:
    """The frames that are on show at the ascending ``times``, each with the number of times that it is.

    Args:
        frames: When each frame begins, ascending, and the frame.
        times: A time before the first frame gets the first one.

    Example:
        >>> list(on_show([(0, "a"), (2, "b"), (3, "c"), (4, "d")], [0.5, 1.5, 2.5, 4.5]))
        [('a', 2), ('b', 1), ('d', 1)]
    """
    done = 0
    shown: list[Frame] = []  # the latest frame, once there is one
    for begin, frame in frames:
        passed = bisect_left(times, begin, lo=done) - done if shown else 0
        if passed:
            yield shown[0], passed
            done += passed
        if done == len(times):
            return
        shown = [frame]
    if shown:
        yield shown[0], len(times) - done
