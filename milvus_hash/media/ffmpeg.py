"""FFmpeg by PyAV: an open film, its packets, its decoder and the pixels of its frames, with one kind of error."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milvus_hash.errors import InputError
from milvus_hash.extras import require
from milvus_hash.media import limits
from milvus_hash.media.colour import to_rgb
from milvus_hash.media.files import check_file, reason

if TYPE_CHECKING:
    from PIL.Image import Image

# FFmpeg also "reads" plain texts as terminal art, and playlists that name other files and hosts: only these are let in
_OPTIONS = {"format_whitelist": "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg", "protocol_whitelist": "file"}
_SEAMS = {"mpeg", "mpegts", "ogg"}  # formats that are recorded and joined: their clocks may jump
_STATE_LENGTH = {"mov", "avi"}  # of each stream, to the end of its last frame
_LONGEST_GAP = 10.0  # seconds between two frames; more is a jump of the clock there, as for FFmpeg's own tools
_KEEPS_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders of these leave it out
_SETS_PARAMETERS = {"h264", "hevc", "vvc"}  # a packet that is skipped may hold what a later one is decoded by

MAX_FRAMES = 2**20  # 9 hours at 30 frames a second
MAX_DECODED = 2**36  # pixels of one film: 18 minutes of full HD, 2 hours of a DVD; what needs more takes minutes
_LEAST = 2**17  # pixels that a frame counts for, however small it is


class Film:
    """A container, its main video stream and a decoder for that, all in this thread.

    Attributes:
        container: The ``av.container.InputContainer``.
        stream: The ``av.VideoStream``.
        name: What messages call it.
        longest_gap: Between two frames that follow each other without a seam, in the time base of the stream.
        guesses: The file does not say when its frames are on show, only when they are decoded, and FFmpeg guesses.
        stated_length: Of the stream, in its time base; 0 where it is not stated, or by the clock of the whole file.
    """

    def __init__(self, container: Any, stream: Any, name: str) -> None:  # noqa: ANN401 (PyAV is optional)
        self.container, self.stream, self.name = container, stream, name
        formats = set(container.format.name.split(","))
        self.longest_gap = _LONGEST_GAP / float(stream.time_base) if _SEAMS & formats else float("inf")
        self.guesses = "avi" in formats
        self.stated_length = (stream.duration or 0) if _STATE_LENGTH & formats else 0
        self._codec = _decoder(stream, name)
        self._codec.options = {"max_pixels": str(limits.MAX_PIXELS)}  # one in the middle may be larger than the first
        self._codec.thread_count = 1  # clips are decoded side by side
        self._number = 0  # of the packet of the stream that was read last
        self._pixels = 0

    def packets(self, *, only: bool = False) -> Iterator[Any]:
        """The packets of all streams, or ``only`` those of the main one.

        Raises:
            InputError: It breaks off.
        """
        packets = iter(self.container.demux(self.stream) if only else self.container.demux())
        while True:
            with errors(f"{self.name} breaks off after {self._number} frames"):
                packet = next(packets, None)
            if packet is None:
                return
            if packet.stream is self.stream:
                if packet.is_corrupt:
                    raise InputError(f"{self.name} breaks off after {self._number} frames: the next one is incomplete")
                self._number += 1
            yield packet

    def decode(self, packet: Any) -> list[Any]:  # noqa: ANN401
        """The frames (``av.VideoFrame``) that come out of the decoder when ``packet`` is put in.

        Raises:
            InputError: The packet is broken, a frame is too large, or all frames together are.
        """
        with errors(f"{self.name} breaks off after {max(0, self._number - 1)} frames"):
            decoded: list[Any] = self._codec.decode(packet)
        self._pixels += sum(max(_LEAST, frame.width * frame.height) for frame in decoded)
        self.check_budget(0)
        return decoded

    def check_budget(self, frames: int) -> None:
        """See whether ``frames`` more can be decoded.

        Raises:
            InputError: They cannot.
        """
        size = self.stream.codec_context
        if self._pixels + frames * max(_LEAST, size.width * size.height) > MAX_DECODED:
            raise InputError(
                f"{self.name} takes the decoding of more than {MAX_DECODED:,} pixels to get at its frames; convert it "
                "to smaller frames, or to an MP4 with a key frame every few seconds"
            )

    def skip(self, packet: Any) -> None:  # noqa: ANN401
        """Pass ``packet`` by, but for parameters in it that later ones may need."""
        if self.stream.codec_context.name in _SETS_PARAMETERS:
            self._codec.skip_frame = "ALL"
            with suppress(Exception):  # what is wrong with it matters to those who decode it
                self._codec.decode(packet)

    def resume(self) -> None:
        """Decode the next packet as if it were the first."""
        self._codec.flush_buffers()
        self._codec.skip_frame = "DEFAULT"


@contextmanager
def opened(source: str | Path | bytes, name: str) -> Iterator[Film]:
    """Open a film.

    Args:
        source: A path, or the bytes of a file.
        name: What messages call it.

    Raises:
        InputError: It is no film, or its frames are too large.
        MissingExtra: PyAV is not installed.
    """
    av = require("av", "video")
    with errors(f"{name} is not a video that can be read, or is cut off before its index"):
        check_file(source, name, "video")
        # absolute: never taken for a protocol
        where = io.BytesIO(source) if isinstance(source, bytes) else str(Path(source).absolute())
        # not `options`: those are for the streams, too, and PyAV before 18 crashes where a format finds them late (FLV)
        container = av.open(where, container_options=_OPTIONS, metadata_errors="replace")
    with container:
        stream = container.streams.best("video")
        if stream is None:
            raise InputError(f"{name} has no video stream, or is cut off before its index")
        codec = stream.codec_context
        if codec is None:
            raise InputError(f"{name} is of a codec that this PyAV cannot decode")
        limits.check_pixels(codec.width, codec.height, name)
        check_frames(stream.frames, name)
        yield Film(container, stream, name)


def check_frames(frames: int, name: str) -> None:
    """Refuse a film of more than ``MAX_FRAMES``.

    Raises:
        InputError: It is one.
    """
    if frames > MAX_FRAMES:
        raise InputError(f"{name} has {frames:,} frames; at most {MAX_FRAMES:,} are read: cut it into parts")


def _decoder(stream: Any, name: str) -> Any:  # noqa: ANN401
    """The decoder that the stream came with, or the one that keeps its transparency."""
    codec = stream.codec_context
    if stream.metadata.get("alpha_mode") != "1" or codec.name not in _KEEPS_ALPHA:
        return codec
    with errors(f"{name} has transparency that this PyAV cannot decode"):
        keeping = require("av", "video").CodecContext.create(_KEEPS_ALPHA[codec.name], "r")
        keeping.extradata = codec.extradata
    return keeping


def to_picture(frame: Any, name: str) -> Image:  # noqa: ANN401
    """An ``av.VideoFrame`` as a player shows it, in RGB, on white.

    Raises:
        InputError: It is damaged, or FFmpeg cannot convert its pixels.
    """
    from PIL import Image

    if frame.is_corrupt:
        raise InputError(f"{name} breaks off: a frame that is needed is damaged")
    has_alpha = any(component.is_alpha for component in frame.format.components)
    with errors(f"{name} has a frame of pixels in the format {frame.format.name}, which cannot be converted"):
        pixels = frame.to_ndarray(format="rgba" if has_alpha else "rgb24")
    return to_rgb(Image.fromarray(np.ascontiguousarray(_upright(pixels, frame))))


def _upright(pixels: NDArray[np.uint8], frame: Any) -> NDArray[np.uint8]:  # noqa: ANN401
    """Turn and mirror as the display matrix says, to the nearest right angle."""
    side_data: Any = require("av.sidedata.sidedata", "video").SideDataContainer

    try:
        matrix = side_data(frame).get("DISPLAYMATRIX")  # frame.side_data would keep the frame until a collection
    except ValueError:  # there are side data of a kind that this PyAV has no name for
        return np.rot90(pixels, round(frame.rotation / 90))  # both count anticlockwise
    if matrix is None:
        return pixels
    # a point (x, y) of the frame is shown at (a x + c y, b x + d y)
    a, b, _, c, d, *_ = np.frombuffer(matrix, dtype=np.int32, count=9).tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels = pixels.swapaxes(0, 1)
        a, d = c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


@contextmanager
def errors(message: str) -> Iterator[None]:
    """Turn whatever FFmpeg raises into InputError with ``message``."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{message}: it does not fit into memory") from error
    except Exception as error:  # besides FFmpeg's own errors, whatever a broken file provokes in PyAV
        raise InputError(f"{message}: {getattr(error, 'strerror', None) or reason(error)}") from error
