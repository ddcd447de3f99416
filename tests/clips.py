"""Clips for tests: animations by Pillow, films by PyAV, with frames of one colour each to tell them apart."""

from __future__ import annotations

import io
from collections.abc import Sequence
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
