"""Films (MP4, MOV, MKV, WebM, AVI and their kin): how long they are, and the frames that are asked for.

What packets say of the frames in them is cheap to read and mostly true. So the timeline is read from the packets and
only the stretches that are needed are decoded, and each frame that comes out is compared with what the packets said.
Where the two disagree, :class:`OutOfStep` is raised, and the film is decoded whole, in order, to see for itself.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import median
from typing import Any

from milvus_hash.errors import InputError
from milvus_hash.media.ffmpeg import Film, check_frames, opened, to_picture

__all__ = ["OutOfStep", "Timeline", "decode_timeline", "frames", "read_timeline", "to_picture"]

_MAY_MISS = 0.05  # of the duration that the header states, which is not always exact; half a second always may
_UNDECODABLE = 1000  # packets before the first that can be decoded, where a recording starts between key frames


class OutOfStep(Exception):
    """The packets of a film do not tell when its frames are on show."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """When a film's frames are on show, in the time base of its video stream.

    Attributes:
        begins: When each frame begins, ascending.
        end: When the last frame ends.
        keys: When the frames begin that can be decoded without those before them, ascending; None: everything has to
            be decoded, in order.
    """

    begins: Sequence[float]
    end: float
    keys: Sequence[int] | None

    @property
    def start(self) -> float:
        """When the first frame begins."""
        return self.begins[0]

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.begins)


def read_timeline(source: str | Path | bytes, name: str) -> Timeline:
    """Read a film from end to end, decoding no more than its first frame.

    Raises:
        OutOfStep: The packets do not tell.
        InputError: It is no film, has no frames, breaks off, or its frames are too large.
        MissingExtra: PyAV is not installed.
    """
    said = _read(source, name)
    begins = sorted(begin for begin in said.begins if begin is not None)
    if said.seams or not said.keys or len(set(begins)) < len(said.begins):
        raise OutOfStep
    if said.first is None or said.first.pts not in begins:
        raise OutOfStep
    if said.guessed and said.begins != said.stamps and len({after - begin for begin, after in pairwise(begins)}) > 1:
        raise OutOfStep  # what was guessed has holes, which may be anywhere
    return Timeline(begins[bisect_left(begins, said.first.pts) :], said.end, sorted(set(said.keys)))


def decode_timeline(source: str | Path | bytes, name: str) -> Timeline:
    """Decode a film from end to end.

    Raises:
        InputError: As :func:`read_timeline`, and it takes too much decoding.
        MissingExtra: PyAV is not installed.
    """
    said = _read(source, name)
    with opened(source, name) as film:
        film.check_budget(len(said.begins))
        shown = [(frame.pts, frame.dts) for frame in _all(film)]
        longest = film.longest_gap
    if not shown:
        raise InputError(f"{name} has no frames that can be decoded")
    times, decoded = (list(column) for column in zip(*shown, strict=True))
    if (said.guessed or None in times or not _ascends(times)) and _ascends(decoded):
        times = decoded  # one goes in when one comes out
    begins, step = _paced(times, longest)
    return Timeline(begins, said.end if begins[-1] == said.last else begins[-1] + step, None)


def frames(
    source: str | Path | bytes, name: str, timeline: Timeline, times: Sequence[float]
) -> Iterator[tuple[float, Any]]:
    """When a frame begins, and the frame (``av.VideoFrame``): all that it takes to see what is on show at ``times``.

    Stretches between key frames in which none of the ``times`` lies are not decoded.

    Raises:
        OutOfStep: What comes out is not what the packets said, or damaged, or nothing.
        InputError: It breaks off, or its frames are too large.
    """
    if timeline.keys is None:
        with opened(source, name) as film:
            yield from zip(timeline.begins, _all(film), strict=False)
    else:
        with opened(source, name) as film:
            yield from _stretches(film, timeline, timeline.keys, times)


def _stretches(
    film: Film, timeline: Timeline, keys: Sequence[int], times: Sequence[float]
) -> Iterator[tuple[float, Any]]:
    """Decode from key frames up to the frames that are on show at ``times``; each has to be the one that is due."""
    begins = timeline.begins
    goals: dict[int, int] = {}  # key frame -> the number of the last frame that it leads to
    for time in times:
        number = max(0, bisect_right(begins, time) - 1)
        goals[keys[max(0, bisect_right(keys, begins[number]) - 1)]] = number
    film.check_budget(sum(number - bisect_left(begins, key) for key, number in goals.items()))
    due, goal = 0, -1
    entry: int | None = None  # the key frame after a stretch that was skipped
    for packet in film.packets(only=True):
        if packet.is_keyframe and packet.pts in goals:
            if goal < due:
                entry = None if packet.pts == keys[0] else packet.pts
                due = 0 if entry is None else bisect_left(begins, entry)
                film.resume()
            goal = goals.pop(packet.pts)
        if goal < due:
            film.skip(packet)
            continue
        for frame in _after(film, packet, entry):
            if frame.pts != begins[due] or frame.is_corrupt or (frame.pts == entry and not frame.key_frame):
                raise OutOfStep
            yield begins[due], frame
            due += 1
            if due > goal:
                break
    if goal >= due or goals:
        raise OutOfStep


def _after(film: Film, packet: Any, entry: int | None) -> list[Any]:  # noqa: ANN401 (PyAV is optional)
    """The frames that come out, without those shown before ``entry``: they are made from frames that were skipped."""
    try:
        return [frame for frame in film.decode(packet) if entry is None or frame.pts is None or frame.pts >= entry]
    except InputError as error:
        if entry is not None and packet.pts is not None and packet.pts < entry:
            return []
        raise OutOfStep from error


def _all(film: Film) -> Iterator[Any]:
    """All frames, in the order in which the decoder gives them."""
    begun = False
    for number, packet in enumerate(film.packets(only=True)):
        begun = begun or packet.is_keyframe or number > _UNDECODABLE
        try:
            decoded = film.decode(packet)
        except InputError:
            if begun:
                raise
            continue  # what comes before the first key frame may lack what it refers to
        begun = begun or bool(decoded)
        yield from decoded


@dataclass(slots=True)
class _Said:
    """What the packets of a film say.

    Attributes:
        begins: When each frame begins, where it is said.
        stamps: When each is decoded, where it is said.
        keys: When the key frames begin.
        first: The frame that the decoder gives first, once it gives one.
        last: When the last frame begins.
        end: When that ends.
        seams: The clock jumps.
        guessed: ``begins`` are not from the file.
    """

    begins: list[int | None] = field(default_factory=list)
    stamps: list[int | None] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    first: Any = None
    last: float = 0.0
    end: float = 0.0
    seams: bool = False
    guessed: bool = False


def _read(source: str | Path | bytes, name: str) -> _Said:
    said = _Said()
    begins, ends = _Span(), _Span()  # of the frames, in the time base of their stream
    everything = _Span()  # all streams, in seconds
    with opened(source, name) as film:
        said.guessed = film.guesses
        seconds: dict[int, float] = {}  # of a tick of each stream; the streams of MPEG come up one after the other
        for packet in film.packets():
            if packet.stream is film.stream and packet.size:
                _note(said, film, packet)
            begin = packet.dts if packet.pts is None else packet.pts
            if begin is None or packet.is_discard:  # the end of a stream; what an edit list leaves out
                continue
            until = begin + (packet.duration or 0)
            second = seconds.get(packet.stream_index) or seconds.setdefault(
                packet.stream_index, float(packet.time_base)
            )
            everything.add(begin * second, until * second)
            if packet.stream is film.stream:
                begins.add(begin)
                ends.add(until)
        stated = (film.container.duration or 0) / 1e6
        length = film.stated_length
    if not said.begins:
        raise InputError(f"{name} has no frames")
    if not _is_whole(everything, stated):
        there = f"{everything.length:.1f} of {stated:.1f} seconds are there"
        raise InputError(f"{name} breaks off after {len(said.begins)} frames: {there}")
    # How long the last frame is shown: what the stream states, from its start or from 0; else its packet, which in an
    # MP4 of varying rate may have the length of another frame; else, as the others on average.
    gap = begins.length / max(1, begins.count - 1)
    stated_end = min((begins.low + length, length), key=lambda end: abs(end - ends.high)) if length else begins.low
    candidates = (stated_end, ends.high, begins.high + gap)
    said.last = begins.high
    said.end = next((end for end in candidates if end > begins.high), begins.high + 1)
    return said


def _note(said: _Said, film: Film, packet: Any) -> None:  # noqa: ANN401
    """Add to ``said`` what a packet of the main stream says."""
    if said.first is None and len(said.stamps) < _UNDECODABLE:
        with suppress(InputError):  # those who decode the film meet it again
            said.first = next(iter(film.decode(packet)), None)
    before = said.stamps[-1] if said.stamps else None
    if before is not None and packet.dts is not None and not 0 <= packet.dts - before <= film.longest_gap:
        said.seams = True
    said.stamps.append(packet.dts)
    if packet.is_keyframe and packet.pts is not None and not (packet.is_discard and said.keys):
        said.keys.append(packet.pts)
    if not packet.is_discard:
        said.begins.append(packet.pts)
    check_frames(len(said.begins), film.name)


def _is_whole(there: _Span, stated: float) -> bool:
    """Whether a film is as long as its header states, by the header's own reckoning.

    Of a film that begins late, some writers state the length and some the end.
    """
    if there.length >= stated - max(0.5, _MAY_MISS * stated):
        return True
    return abs(there.high - stated) <= max(0.5, _MAY_MISS * there.length)


def _paced(times: Sequence[int | None], longest: float) -> tuple[list[float], float]:
    """When frames begin, and the usual step between them.

    Frames whose time is not known are spread evenly between those whose is; over a jump back, or ahead by more than
    ``longest``, the film goes on at its usual step.

    Example:
        >>> _paced([0, None, 4, 6, 8, 1000, 1002, None], longest=100)
        ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0], 2.0)
    """
    known = [(number, time) for number, time in enumerate(times) if time is not None]
    paces = [(number, after, (until - time) / (after - number)) for (number, time), (after, until) in pairwise(known)]
    usual = median([pace for *_, pace in paces if 0 < pace <= longest] or [1.0])
    steps = [usual] * len(times)
    for number, after, pace in paces:
        if 0 < pace <= longest:
            steps[number:after] = [pace] * (after - number)
    start = known[0][1] - known[0][0] * usual if known else 0.0
    return list(accumulate(steps[:-1], initial=float(start))), usual


def _ascends(times: Sequence[int | None]) -> bool:
    """Whether most of the ``times`` are known, and each of those is after the one before."""
    known = [time for time in times if time is not None]
    return 2 * len(known) > len(times) and all(before < after for before, after in pairwise(known))


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
