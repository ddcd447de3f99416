"""Clips for tests: animations by Pillow, films by PyAV, with frames of one colour each to tell them apart."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

Colour = tuple[int, int, int]
MILLISECONDS = Fraction(1, 1000)

DURATIONS = [100, 50, 750, 100, 200]
"""Of five frames, in milliseconds: they begin at 0, 100, 150, 900 and 1000, and the last ends at 1200."""

EIGHT = [0, 2, 2, 2, 2, 2, 3, 4]
"""Which of them are on show at 75, 225, 375, 525, 675, 825, 975 and 1125: the middles of eight parts of 1200."""


def grey(index: int) -> Colour:
    """A colour that survives every codec: shades lie 40 apart."""
    return (10 + 40 * index,) * 3


def shades(pixels: np.ndarray) -> list[int]:
    """Which :func:`grey` each frame of ``(frames, size, size, 3)`` has."""
    return np.rint((pixels.mean(axis=(1, 2, 3)) - 10) / 40).astype(int).tolist()


def animation(colours: Sequence[Colour], durations: Sequence[int], kind: str) -> bytes:
    """An animated GIF, WEBP or PNG of 24 by 16 pixels."""
    frames = [Image.new("RGB", (24, 16), colour) for colour in colours]
    file = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], duration=list(durations), loop=0, **options)
    return file.getvalue()


def film(
    path: Path,
    colours: Sequence[Colour],
    durations: Sequence[int],
    *,
    codec: str = "mpeg4",
    size: tuple[int, int] = (64, 48),
    noise: int = 0,
    gop: int = 12,
    rate: int = 1000,
    codec_options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """A film whose frames are on show for ``durations`` milliseconds, in the container of the suffix of ``path``.

    With ``noise`` the frames are not of one colour, so that the file is large enough to be cut. ``rate`` is a number of
    frames a second that all ``durations`` are multiples of.
    """
    rng = np.random.default_rng(0)
    begins = np.cumsum([0, *durations])
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=codec_options or {})
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, rate)
        stream.codec_context.gop_size = gop
        lengths = dict(zip(begins.tolist(), durations, strict=False))
        for begin, colour in zip(begins.tolist(), colours, strict=False):
            pixels = np.full((size[1], size[0], 3), colour, dtype=np.int16)
            pixels += rng.integers(-noise, noise + 1, pixels.shape, dtype=np.int16)
            frame = av.VideoFrame.from_ndarray(np.clip(pixels, 0, 255).astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = begin, MILLISECONDS
            _mux(container, stream.encode(frame), lengths)
        _mux(container, stream.encode(None), lengths)
    return path


def _mux(container: av.container.OutputContainer, packets: list[av.Packet], lengths: dict[int, int]) -> None:
    for packet in packets:
        length = lengths[round(packet.pts * packet.time_base / MILLISECONDS)]
        packet.duration = round(length * MILLISECONDS / packet.time_base)
        container.mux(packet)


def steady(path: Path, count: int, *, duration: int = 40, **options: object) -> Path:
    """A film of ``count`` frames of ``duration`` milliseconds in rising shades of grey."""
    colours = [(round(255 * index / max(1, count - 1)),) * 3 for index in range(count)]
    return film(path, colours, [duration] * count, rate=1000 // duration, **options)


RAMP = 40
"""Frames of :func:`ramp`."""


def ramp(
    path: Path,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    count: int = RAMP,
    start: int = 0,
    first: int = 0,
    gop: int = 10,
    kind: str | None = None,
    **options: str,
) -> Path:
    """A film of 25 frames a second, each of one grey, which rises by 6 from ``start`` times 6.

    Args:
        path: Its suffix is the container, unless ``kind`` is.
        codec: Of FFmpeg's encoders.
        pix_fmt: What it encodes.
        count: Frames.
        start: The number of the first one, see :func:`numbers`.
        first: When it is shown, in frames.
        gop: Frames from key frame to key frame.
        kind: The container.
        options: Of the encoder.
    """
    if codec.startswith("libx26"):
        options = {"x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=3", **options}
        options = {**options, "x265-params": options["x264-params"] + ":log-level=none"}
        del options["x265-params" if codec == "libx264" else "x264-params"]
    elif not codec.startswith("libvpx"):
        options = {"b": "8M", "qmin": "1", "qmax": "2", "sc_threshold": "1000000000", **options}
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        stream.codec_context.gop_size = gop
        for number in range(start, start + count):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 6 * number, np.uint8), "rgb24")
            frame = frame.reformat(format=pix_fmt)
            frame.pts, frame.time_base = number - start + first, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def numbers(pixels: np.ndarray) -> list[int]:
    """Which frame of a :func:`ramp` each of ``(frames, size, size, 3)`` is."""
    return np.rint(pixels.mean(axis=(1, 2, 3)) / 6).astype(int).tolist()


def evenly(count: int, *, frames: int = RAMP, start: int = 0) -> list[int]:
    """Which frames of a :func:`ramp` are on show in the middles of ``count`` parts, an even number."""
    return [start + int((index + 0.5) / count * frames) for index in range(count)]


def remuxed(
    path: Path,
    out: Path,
    change: Callable[[int, av.Packet], object] = lambda number, packet: None,
    *,
    leaving_out: int = 0,
    **options: str,
) -> Path:
    """The packets of ``path`` in another film, without some of the first, after ``change`` has seen each."""
    with av.open(str(path)) as container, av.open(str(out), "w", options=options) as other:
        stream = other.add_stream_from_template(container.streams.video[0])
        packets = [packet for packet in container.demux(video=0) if packet.size]
        for number, packet in enumerate(packets[leaving_out:]):
            change(number, packet)
            packet.stream = stream
            other.mux(packet)
    return out
