"""Films as cameras, recorders and editors write them: the right frames, or a reject, whatever their packets say."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import RAMP, evenly, numbers, ramp, remuxed

from milvus_hash.bundle import VideoInput
from milvus_hash.errors import InputError
from milvus_hash.media import ffmpeg, film
from milvus_hash.media.video import load_video

EIGHT = VideoInput(size=8, frames=8)
EVERY = VideoInput(size=8, frames=2 * RAMP, resize="squash")
REFRESH = {"intra-refresh": "1", "x264-params": "keyint=10:bframes=0"}
OPEN = {"x264-params": "open-gop=1:bframes=3:b-pyramid=2:keyint=10:min-keyint=10:scenecut=0"}
FILMS = [
    *((suffix, codec, {}) for suffix in ("mp4", "mov", "mkv", "ts", "flv", "mpg") for codec in ("libx264", "libx265")),
    *((suffix, "libx264", {}) for suffix in ("avi", "wmv", "m2ts", "vob", "3gp", "m4v")),
    *((suffix, "libx264", REFRESH) for suffix in ("mp4", "mkv", "ts", "flv", "mpg", "avi")),
    *((suffix, codec, OPEN) for suffix in ("mp4", "mkv", "ts") for codec in ("libx264", "libx265")),
    *((suffix, "mpeg4", {"bf": "2"}) for suffix in ("mp4", "mkv", "avi", "ts", "3gp")),
    *((suffix, "mpeg2video", {"bf": "2"}) for suffix in ("mkv", "ts", "m2ts", "avi")),
    *((suffix, codec, {}) for suffix in ("webm", "mkv") for codec in ("libvpx", "libvpx-vp9")),
    ("mkv", "mpeg1video", {}),
    ("avi", "msmpeg4", {}),
    ("wmv", "wmv2", {}),
    ("flv", "flv", {}),
    ("ogv", "libvpx", {}),
    ("mkv", "ffv1", {}),
    ("mkv", "libx264", {"pix_fmt": "yuv420p10le"}),
    ("mov", "prores_ks", {"pix_fmt": "yuv422p10le"}),
    ("mov", "qtrle", {"pix_fmt": "rgb24"}),
    ("avi", "utvideo", {"pix_fmt": "gbrap"}),
    ("mov", "png", {"pix_fmt": "rgba"}),
]


def name_of(path, codec, options):
    return "-".join([path, codec, *(str(value) for value in options.values())])


@pytest.mark.parametrize(("suffix", "codec", "options"), FILMS, ids=[name_of(*each) for each in FILMS])
def test_the_frames_are_those_that_went_in(tmp_path, suffix, codec, options):
    kind = "mpeg" if suffix == "mpg" else None  # without it libavformat writes MPEG-1 systems, which hold no H.264
    path = ramp(tmp_path / f"clip.{suffix}", codec=codec, kind=kind, **options)
    assert numbers(load_video(path, EIGHT)) == evenly(8)
    assert numbers(load_video(path, EVERY)) == evenly(2 * RAMP)


@pytest.mark.parametrize("first", [8, 50, 2000])
@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("mkv", "libx264"), ("webm", "libvpx"), ("mp4", "libx264"), ("ts", "libx264"), ("wmv", "wmv2"), ("flv", "flv")],
)
def test_a_film_that_starts_late_is_whole(tmp_path, suffix, codec, first):
    path = ramp(tmp_path / f"clip.{suffix}", codec=codec, first=first)
    assert numbers(load_video(path, EIGHT)) == evenly(8)


def test_a_film_that_starts_late_and_breaks_off(tmp_path):
    path = ramp(tmp_path / "clip.mkv", first=2000)
    data = path.read_bytes()
    cluster = data.index(b"\x1f\x43\xb6\x75")
    index = data.index(b"\x1c\x53\xbb\x6b", cluster)
    path.write_bytes(data[: (cluster + 3 * index) // 4])
    with pytest.raises(InputError, match=r"breaks off after \d+ frames"):
        load_video(path, EIGHT)


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        ("ts", "libx264", {}),
        ("ts", "libx264", REFRESH),
        ("ts", "libx265", {}),
        ("ts", "mpeg2video", {"bf": "2"}),
        ("mkv", "libx264", {}),
        ("mkv", "libvpx", {}),
        ("webm", "libvpx-vp9", {}),
    ],
)
def test_a_recording_that_starts_between_key_frames(tmp_path, suffix, codec, options):
    whole = ramp(tmp_path / f"whole.{suffix}", codec=codec, **options)
    path = remuxed(whole, tmp_path / f"clip.{suffix}", leaving_out=5)
    begin = numbers(load_video(path, VideoInput(size=8, frames=2 * RAMP)))[0]
    assert 9 <= begin <= 15
    assert numbers(load_video(path, EIGHT)) == evenly(8, frames=RAMP - begin, start=begin)


@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("mkv", "libx264"), ("mp4", "libx264"), ("mp4", "libx265"), ("avi", "mpeg4"), ("mkv", "libvpx"), ("wmv", "wmv2")],
)
def test_key_frames_that_are_none(tmp_path, suffix, codec, every):
    """Some writers mark each packet, and some recorders mark whatever comes every second."""
    plain = ramp(tmp_path / f"plain.{suffix}", codec=codec, gop=600)
    path = remuxed(plain, tmp_path / f"clip.{suffix}", lambda n, packet: setattr(packet, "is_keyframe", n % every == 0))
    for count in (2, 4, 8):
        assert numbers(load_video(path, VideoInput(size=8, frames=count))) == evenly(count)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "flv", "ts"])
def test_times_in_the_order_of_decoding(tmp_path, suffix):
    """As of a writer that knows no B frames."""

    def in_order(number, packet):
        packet.pts = packet.dts = int(number * Fraction(1, 25) / packet.time_base)

    path = remuxed(ramp(tmp_path / f"plain.{suffix}"), tmp_path / f"clip.{suffix}", in_order)
    assert numbers(load_video(path, EIGHT)) == evenly(8)


def test_parameters_that_only_a_skipped_stretch_holds(tmp_path):
    """The second of three encoders names the headers by which the third's frames are decoded."""
    path = tmp_path / "clip.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for run, params in enumerate(("cabac=1:8x8dct=0:qp=10", "cabac=0:8x8dct=1:qp=40", "cabac=0:8x8dct=1:qp=40")):
            codec = av.CodecContext.create("libx264", "w")
            codec.width, codec.height, codec.pix_fmt, codec.time_base = 64, 48, "yuv420p", Fraction(1, 25)
            codec.options = {"x264-params": f"keyint=40:bframes=0:{params}"}
            for number in range(20 * run, 20 * run + 20):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * number, np.uint8), "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                for packet in codec.encode(frame):
                    container.mux(without_headers(packet, stream) if run == 2 else placed(packet, stream))
            for packet in codec.encode(None):
                container.mux(placed(packet, stream))
    with av.open(str(path)) as container:
        shades = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(video=0)]
    assert len(shades) == 60
    for count in (2, 6):
        found = load_video(path, VideoInput(size=8, frames=count, resize="squash")).mean(axis=(1, 2, 3))
        assert np.abs(found - [shades[number] for number in evenly(count, frames=60)]).max() < 1


def placed(packet, stream):
    packet.stream = stream
    return packet


def without_headers(packet, stream):
    units = [unit for unit in bytes(packet).replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]
    other = av.Packet(b"".join(b"\0\0\0\1" + unit for unit in units if unit[0] & 31 not in (6, 7, 8)))
    other.pts, other.dts, other.time_base = packet.pts, packet.dts, packet.time_base
    other.is_keyframe = packet.is_keyframe
    return placed(other, stream)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_recordings_that_were_joined(tmp_path, codec):
    """The clock of the second starts again."""
    parts = [ramp(tmp_path / f"{k}.mpg", codec=codec, kind="mpeg", start=20 * k, count=20) for k in (0, 1)]
    (tmp_path / "clip.mpg").write_bytes(b"".join(part.read_bytes() for part in parts))
    assert numbers(load_video(tmp_path / "clip.mpg", EIGHT)) == evenly(8)


def test_a_clock_that_jumps_ahead_by_hours(tmp_path):
    def jump(number, packet):
        ahead = (0 if number < 20 else 9 * 3600) / packet.time_base
        packet.pts, packet.dts = int(packet.pts + ahead), int(packet.dts + ahead)

    path = remuxed(ramp(tmp_path / "plain.ts", codec="mpeg2video"), tmp_path / "clip.ts", jump)
    assert numbers(load_video(path, EIGHT)) == evenly(8)


@pytest.mark.parametrize("left_out", [3, 12, 25])
def test_what_an_edit_list_leaves_out(tmp_path, left_out):
    """The key frame that the first frames need may be left out too."""

    def earlier(number, packet):
        packet.pts -= left_out * 40
        packet.dts = (number - 2 - left_out) * 40

    plain = ramp(tmp_path / "plain.mkv")
    path = remuxed(plain, tmp_path / "clip.mp4", earlier, avoid_negative_ts="disabled")
    assert numbers(load_video(path, EIGHT)) == evenly(8, frames=RAMP - left_out, start=left_out)


@pytest.mark.parametrize("flags", ["faststart", "frag_keyframe+empty_moov", "negative_cts_offsets"])
def test_ways_to_write_an_mp4(tmp_path, flags):
    path = remuxed(ramp(tmp_path / "plain.mp4"), tmp_path / "clip.mp4", movflags=flags)
    assert numbers(load_video(path, EIGHT)) == evenly(8)


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp4", "libx264"), ("mkv", "libx264"), ("mpg", "libx264"), ("avi", "mpeg4"), ("wmv", "wmv2")]
)
def test_films_of_one_and_of_two_frames(tmp_path, suffix, codec):
    kind = "mpeg" if suffix == "mpg" else None
    one = ramp(tmp_path / f"one.{suffix}", codec=codec, kind=kind, count=1, start=20)
    two = ramp(tmp_path / f"two.{suffix}", codec=codec, kind=kind, count=2, start=20)
    assert numbers(load_video(one, EIGHT)) == [20] * 8
    assert numbers(load_video(two, EIGHT)) == [20] * 4 + [21] * 4


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mpg"])
def test_sound_that_is_longer_than_the_film(tmp_path, suffix):
    with av.open(str(ramp(tmp_path / f"plain.{suffix}", kind="mpeg" if suffix == "mpg" else None))) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    path = tmp_path / f"clip.{suffix}"
    with av.open(str(path), "w", format="mpeg" if suffix == "mpg" else None) as container:
        video, sound = container.add_stream("libx264", rate=25), container.add_stream("mp2", rate=44100)
        video.width, video.height, video.pix_fmt, sound.layout = 64, 48, "yuv420p", "mono"
        packets = []
        for number, pixels in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode(None)
        for number in range(120):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), format="s16", layout="mono")
            silence.rate, silence.pts = 44100, number * 1152
            packets += sound.encode(silence)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    assert numbers(load_video(path, EIGHT)) == evenly(8)


CORNERS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), "red green blue white"),
        ((-1, 0, 0, 1), "green red white blue"),
        ((1, 0, 0, -1), "blue white red green"),
        ((-1, 0, 0, -1), "white blue green red"),
        ((0, 1, 1, 0), "red blue green white"),
        ((0, 1, -1, 0), "blue red white green"),
        ((0, -1, 1, 0), "green white red blue"),
        ((0, -1, -1, 0), "white green blue red"),
    ],
)
def test_films_are_turned_and_mirrored(tmp_path, matrix, shown):
    """A point (x, y) is to be shown at (a x + c y, b x + d y); the corners are told from left to right, from above."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    for (row, column), colour in zip(((0, 0), (0, 1), (1, 0), (1, 1)), CORNERS.values(), strict=True):
        pixels[24 * row : 24 * row + 24, 32 * column : 32 * column + 32] = colour
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    a, b, c, d = (65536 * value for value in matrix)
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    found = load_video(path, VideoInput(size=64, frames=1, resize="pad"))[0].astype(int)
    corners = [found[32 + y, 32 + x] for y, x in ((-8, -8), (-8, 8), (8, -8), (8, 8))]
    names = [min(CORNERS, key=lambda name: np.abs(corner - CORNERS[name]).sum()) for corner in corners]
    assert " ".join(names) == shown
    margin = found[32, 2] if matrix[0] == 0 else found[2, 32]
    assert margin.min() > 250  # what was turned on its side is padded there


@pytest.mark.parametrize(("alpha", "wanted"), [(0, (255, 255, 255)), (128, (255, 127, 127)), (255, (255, 0, 0))])
@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [
        ("webm", "libvpx", "yuva420p"),
        ("webm", "libvpx-vp9", "yuva420p"),
        ("mkv", "libvpx-vp9", "yuva420p"),
        ("mov", "prores_ks", "yuva444p10le"),
        ("mov", "png", "rgba"),
        ("avi", "utvideo", "gbrap"),
    ],
)
def test_transparency_lies_on_white(tmp_path, suffix, codec, pix_fmt, alpha, wanted):
    path = tmp_path / f"clip.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"auto-alt-ref": "0"} if "vpx" in codec else {})
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        for number in range(6):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 4), (255, 0, 0, alpha), np.uint8), "rgba")
            frame = frame.reformat(format=pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = load_video(path, VideoInput(size=8, frames=4, resize="squash"))
    assert np.abs(found.reshape(-1, 3).mean(axis=0) - wanted).max() < 6


def test_what_takes_too_much_decoding_is_refused(tmp_path, monkeypatch):
    """One key frame and many frames behind it; or packets without times, all of which have to be decoded."""
    films = [ramp(tmp_path / "clip.mp4", gop=600), ramp(tmp_path / "clip.mpg", kind="mpeg")]
    for path in films:
        load_video(path, EIGHT)
    monkeypatch.setattr(ffmpeg, "MAX_DECODED", 20 * 2**17)
    for path in films:
        with pytest.raises(InputError, match="takes the decoding of more than 2,621,440 pixels"):
            load_video(path, EIGHT)
    assert numbers(load_video(ramp(tmp_path / "keys.mp4", gop=2), VideoInput(size=8, frames=4))) == evenly(4)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_more_frames_than_are_read(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(ffmpeg, "MAX_FRAMES", RAMP - 1)
    with pytest.raises(InputError, match="40 frames; at most 39 are read"):
        load_video(ramp(tmp_path / f"clip.{suffix}"), EIGHT)


def test_a_frame_that_does_not_come_out_is_noticed(tmp_path):
    """The timeline has a frame more than the decoder."""
    path = ramp(tmp_path / "clip.mp4")
    timeline = film.read_timeline(path, "clip")
    begins = [*timeline.begins[:20], timeline.begins[19] + 1, *timeline.begins[20:]]
    invented = film.Timeline(begins, timeline.end, timeline.keys)
    with pytest.raises(film.OutOfStep):
        list(film.frames(path, "clip", invented, [begins[20]]))
    assert list(film.decode_timeline(path, "clip").begins) == list(timeline.begins)
