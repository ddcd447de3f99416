"""Clips: the right frames whatever the container, and of every bad file one InputError that says how far it went."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
from fractions import Fraction

import av
import numpy as np
import psutil
import pytest
from clips import DURATIONS, EIGHT, animation, film, grey, shades, steady
from PIL import Image

from milvus_hash.bundle import ImageInput, VideoInput
from milvus_hash.errors import InputError, MissingExtra
from milvus_hash.media import film as films
from milvus_hash.media import limits
from milvus_hash.media.image import load_image
from milvus_hash.media.video import load_video, moments, on_show

FIVE = [grey(index) for index in range(5)]
TINY = VideoInput(size=8, frames=8)
CONTAINERS = [
    pytest.param("mp4", "mpeg4", {}, id="mp4-mpeg4"),
    pytest.param("mp4", "libx264", {"bf": "0"}, id="mp4-h264"),
    pytest.param("mov", "mpeg4", {}, id="mov"),
    pytest.param("mkv", "libx264", {}, id="mkv-h264"),
    pytest.param("mkv", "ffv1", {}, id="mkv-ffv1"),
    pytest.param("webm", "libvpx", {}, id="webm-vp8"),
    pytest.param("webm", "libvpx-vp9", {}, id="webm-vp9"),
    pytest.param("avi", "mpeg4", {}, id="avi"),
]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_are_sampled_by_time(kind):
    pixels = load_video(animation(FIVE, DURATIONS, kind), TINY)
    assert pixels.shape == (8, 8, 8, 3)
    assert pixels.dtype == np.uint8
    assert shades(pixels) == EIGHT


@pytest.mark.parametrize(("suffix", "codec", "options"), CONTAINERS)
def test_films_of_varying_rate_are_sampled_by_time(tmp_path, suffix, codec, options):
    path = film(tmp_path / f"clip.{suffix}", FIVE, DURATIONS, codec=codec, codec_options=options)
    pixels = load_video(path, TINY)
    assert pixels.shape == (8, 8, 8, 3)
    assert pixels.dtype == np.uint8
    assert shades(pixels) == EIGHT


def test_path_string_and_bytes_give_the_same(tmp_path):
    path = film(tmp_path / "ü 'quoted' %d 🌸.mp4", FIVE, DURATIONS)
    arrays = [load_video(source, TINY) for source in (path, str(path), path.read_bytes())]
    assert all(np.array_equal(arrays[0], other) for other in arrays[1:])


@pytest.mark.parametrize(
    ("frames", "wanted"),
    [(1, [0] * 8), (2, [0] * 4 + [1] * 4), (3, [0, 0, 0, 1, 1, 2, 2, 2]), (5, [0, 0, 1, 2, 2, 3, 4, 4])],
)
def test_fewer_frames_than_asked_for_repeat(tmp_path, frames, wanted):
    durations = [100] * frames
    assert shades(load_video(film(tmp_path / "clip.mkv", FIVE[:frames], durations), TINY)) == wanted
    assert shades(load_video(animation(FIVE[:frames], durations, "GIF"), TINY)) == wanted


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_picture_is_a_clip_of_one_frame(kind):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(file, kind)
    pixels = load_video(file.getvalue(), VideoInput(size=8, resize="crop", frames=3))
    still = load_image(file.getvalue(), ImageInput(size=8, resize="crop"))
    assert np.array_equal(pixels, np.stack([still] * 3))


def test_frames_without_a_duration_last_as_long_as_in_browsers():
    assert shades(load_video(animation(FIVE, [0, 300, 0, 0, 200], "WEBP"), TINY)) == [0, 1, 1, 1, 2, 3, 4, 4]


def test_animations_are_composed_on_white():
    """A red square that stays while a blue one appears, on a transparent ground."""
    first, second = Image.new("RGBA", (16, 16)), Image.new("RGBA", (16, 16))
    for frame in (first, second):
        frame.paste((255, 0, 0, 255), (0, 0, 8, 8))
        frame.putpixel((15, 15), (0, 255, 0, 255))  # a rectangle alone would be stored as a smaller, opaque frame
    second.paste((0, 0, 255, 255), (8, 8, 15, 15))
    for kind in ("WEBP", "PNG", "GIF"):
        file = io.BytesIO()
        options = {"lossless": True} if kind == "WEBP" else {}
        first.save(file, kind, save_all=True, append_images=[second], duration=100, **options)
        pixels = load_video(file.getvalue(), VideoInput(size=16, frames=2))
        assert pixels[0, 2, 2].tolist() == pixels[1, 2, 2].tolist() == [255, 0, 0], kind
        assert pixels[0, 13, 13].tolist() == [255, 255, 255], kind
        assert pixels[1, 13, 13].tolist() == [0, 0, 255], kind
        assert pixels[1, 2, 13].tolist() == [255, 255, 255], kind


def test_the_stand_in_of_an_animated_png_is_no_frame():
    file = io.BytesIO()
    stand_in, *frames = (Image.new("RGB", (8, 8), colour) for colour in FIVE[:3])
    stand_in.save(file, "PNG", save_all=True, append_images=frames, duration=100, default_image=True)
    assert shades(load_video(file.getvalue(), VideoInput(8, frames=2))) == [1, 2]


def test_transparent_films_lie_on_white(tmp_path):
    with av.open(str(tmp_path / "clip.mov"), "w") as container:
        stream = container.add_stream("qtrle", rate=10)
        stream.width = stream.height = 16
        stream.pix_fmt = "argb"
        pixels = np.zeros((16, 16, 4), np.uint8)
        pixels[:8] = (255, 0, 0, 255)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba")))
        container.mux(stream.encode(None))
    found = load_video(tmp_path / "clip.mov", VideoInput(size=16, frames=1))[0]
    assert (found[2, 2].tolist(), found[13, 13].tolist()) == ([255, 0, 0], [255, 255, 255])


def test_films_are_turned_upright(tmp_path):
    """The matrix of a track header that phones write: turn by 90 degrees clockwise, so that left becomes up."""
    path = film(tmp_path / "clip.mp4", [(200, 200, 200)] * 2, [100, 100], size=(64, 32))
    with av.open(str(tmp_path / "left.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        pixels = np.full((32, 64, 3), 255, np.uint8)
        pixels[:, :32] = 0
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    data = bytearray((tmp_path / "left.mp4").read_bytes())
    matrix = data.index(b"tkhd") + 44
    assert struct.unpack_from(">9i", data, matrix) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", data, matrix, 0, 65536, 0, -65536, 0, 0, 32 << 16, 0, 1 << 30)
    path.write_bytes(data)
    upright = load_video(path, VideoInput(size=8, resize="pad", frames=1))[0]
    assert upright[1, 4].mean() < 30
    assert upright[6, 4].mean() > 225
    assert upright[4, 0].tolist() == [255, 255, 255]  # padded at the sides: it is higher than wide


def test_frames_of_other_sizes_in_the_middle_are_resized_each_by_itself(tmp_path):
    """Two streams of other sizes one after the other, as in a broadcast or a video call."""
    begin = 0
    with av.open(str(tmp_path / "clip.ts"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        wide = av.CodecContext.create("libx264", "w")
        wide.width, wide.height, wide.pix_fmt, wide.time_base = 160, 32, "yuv420p", Fraction(1, 25)
        for encoder, size, shade in ((stream, (64, 48), 1), (wide, (160, 32), 4)):
            for _ in range(10):
                frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), grey(shade), np.uint8), "rgb24")
                frame.pts, frame.time_base = begin, Fraction(1, 25)
                begin += 1
                for packet in encoder.encode(frame):
                    packet.stream = stream
                    container.mux(packet)
            for packet in encoder.encode(None):
                packet.stream = stream
                container.mux(packet)
    with av.open(str(tmp_path / "clip.ts")) as container:
        assert {(frame.width, frame.height) for frame in container.decode(video=0)} == {(64, 48), (160, 32)}
    pixels = load_video(tmp_path / "clip.ts", VideoInput(size=8, resize="pad", frames=4))
    assert shades(pixels[:, 4:5, 4:5]) == [1, 1, 4, 4]
    assert pixels[0, 0, 4].tolist() == [255, 255, 255]  # 4 : 3 leaves a row of white
    assert pixels[3, 2, 4].tolist() == [255, 255, 255]  # 5 : 1 leaves three


def reference(path, count):
    """What is on show, from decoding everything in order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [(frame.pts, frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)]
    timeline = films.read_timeline(path, "clip")
    times = moments(timeline.start, timeline.end, count)
    return [next(pixels for begin, pixels in reversed(frames) if begin <= time) for time in times]


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        pytest.param("mp4", "libx264", {"x264-params": "open-gop=1:bframes=3:keyint=10:min-keyint=10"}, id="open-gops"),
        pytest.param("mkv", "libx264", {"x264-params": "keyint=7:min-keyint=7:scenecut=0"}, id="closed-gops"),
        pytest.param("webm", "libvpx-vp9", {"auto-alt-ref": "1", "lag-in-frames": "16"}, id="hidden-frames"),
        pytest.param("avi", "mpeg4", {}, id="avi"),
    ],
)
def test_skipping_between_key_frames_changes_nothing(tmp_path, suffix, codec, options):
    path = steady(tmp_path / f"clip.{suffix}", 60, codec=codec, codec_options=options, noise=8, gop=10)
    for count in (1, 3, 8, 47):
        timeline = films.read_timeline(path, "clip")
        times = moments(timeline.start, timeline.end, count)
        shown = on_show(films.frames(path, "clip", timeline, times), times)
        found = [frame.to_ndarray(format="rgb24") for frame, times in shown for _ in range(times)]
        wanted = reference(path, count)
        assert len(found) == len(wanted) == count
        assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True)), count


def test_stretches_without_a_sample_are_not_decoded(tmp_path):
    path = steady(tmp_path / "clip.mp4", 100, codec="libx264", codec_options={"x264-params": "keyint=10:scenecut=0"})
    timeline = films.read_timeline(path, "clip")
    times = moments(timeline.start, timeline.end, 2)
    assert timeline.frames == 100
    assert len(list(films.frames(path, "clip", timeline, times))) <= 30


def test_a_long_film_takes_no_more_memory_than_a_short_one(tmp_path):
    """200 frames of 1.4 MB each; only a few of them may be there at a time."""
    path = steady(tmp_path / "long.mp4", 200, size=(800, 600))
    load_video(path, TINY)
    peak = before = psutil.Process().memory_info().rss

    def watched(frames):
        nonlocal peak
        for frame in frames:
            peak = max(peak, psutil.Process().memory_info().rss)
            yield frame

    timeline = films.read_timeline(path, "clip")
    times = moments(timeline.start, timeline.end, 150)
    for frame, _ in on_show(watched(films.frames(path, "clip", timeline, times)), times):
        films.to_picture(frame, "clip")
    assert peak - before < 100 << 20


def cut(path, part):
    data = path.read_bytes()
    out = path.with_name(f"cut-{part}-{path.name}")
    out.write_bytes(data[: int(len(data) * part)])
    return out


@pytest.mark.parametrize("part", [0.5, 0.8])
@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        pytest.param("mp4", "libx264", {"movflags": "faststart"}, id="mp4-h264"),
        pytest.param("mov", "mpeg4", {"movflags": "faststart"}, id="mov-mpeg4"),
        pytest.param("mkv", "libx264", {}, id="mkv"),
        pytest.param("webm", "libvpx", {}, id="webm"),
        pytest.param("avi", "mjpeg", {}, id="avi"),
    ],
)
def test_a_film_that_breaks_off_says_after_how_many_frames(tmp_path, suffix, codec, options, part):
    path = steady(tmp_path / f"clip.{suffix}", 100, codec=codec, noise=60, container_options=options)
    load_video(path, TINY)
    with pytest.raises(InputError, match=r"breaks off after (\d+) frames") as caught:
        load_video(cut(path, part), TINY)
    with av.open(str(path)) as container:
        whole = sum(
            packet.pos + packet.size <= path.stat().st_size * part for packet in container.demux() if packet.size
        )
    assert abs(int(str(caught.value).split(" frames")[0].split()[-1]) - whole) <= 2
    assert f"cut-{part}-clip.{suffix}" in str(caught.value)


def test_a_film_whose_index_is_cut_off(tmp_path):
    path = steady(tmp_path / "clip.mp4", 50, noise=60)
    with pytest.raises(InputError, match="cut off before its index"):
        load_video(cut(path, 0.9), TINY)


def test_a_film_that_is_damaged_in_the_middle(tmp_path):
    path = steady(tmp_path / "clip.mp4", 40, codec="libx264", noise=60)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"clip\.mp4 breaks off after (1\d|2\d) frames"):
        load_video(path, VideoInput(8, frames=40))


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_an_animation_that_breaks_off_says_after_how_many_frames(tmp_path, kind):
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(10)]
    frames[0].save(tmp_path / "clip", kind, save_all=True, append_images=frames[1:], duration=50)
    assert load_video(tmp_path / "clip", TINY).shape == (8, 8, 8, 3)
    with pytest.raises(InputError, match=r"cut-0\.55-clip breaks off after 5 frames: .*truncated"):
        load_video(cut(tmp_path / "clip", 0.55), TINY)


def bad_files(folder):
    contents = {
        "empty.mp4": (b"", "is empty"),
        "text.mp4": (b"hello, I am a text and no film at all\n" * 50, "not a video that can be read"),
        "noise.webm": (np.random.default_rng(0).bytes(5000), "not a video that can be read"),
        "ansi.txt": (b"\x1b[31mred\x1b[0m\n" * 100, "not a video that can be read"),
        "list.m3u8": (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n", "not a video that can be"),
        "concat.txt": (b"ffconcat version 1.0\nfile /etc/passwd\n", "not a video that can be read"),
        "header.gif": (b"GIF89a", "a part of it is missing"),
        "cut.webp": (animation(FIVE, DURATIONS, "WEBP")[:-20], "breaks off after 4 frames: the file is truncated"),
    }
    for name, (data, reason) in contents.items():
        (folder / name).write_bytes(data)
        yield folder / name, reason
    (folder / "folder.mp4").mkdir()
    yield folder / "folder.mp4", "is a directory, not a video"
    yield folder / "missing.mp4", "does not exist"
    yield "/dev/null", "not a plain file"
    yield "a\0b.mp4", "cannot be opened"
    yield "http://127.0.0.1:1/clip.mp4", "is an address, and nothing is fetched"
    with av.open(str(folder / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    yield folder / "sound.mp4", "has no video stream"
    with av.open(str(folder / "nothing.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    yield folder / "nothing.mkv", "not a video that can be read.* End of file"
    (folder / "header.mkv").write_bytes(film(folder / "clip.mkv", FIVE, DURATIONS, codec="ffv1").read_bytes()[:600])
    yield folder / "header.mkv", "has no frames"


def test_bad_files_are_input_errors_that_name_the_file(tmp_path, capfd):
    for path, reason in bad_files(tmp_path):
        with pytest.raises(InputError, match=reason) as caught:
            load_video(path, TINY)
        assert str(path) in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_too_large_frames_are_refused(tmp_path, monkeypatch):
    path = film(tmp_path / "clip.mp4", FIVE, DURATIONS)
    monkeypatch.setattr(limits, "MAX_PIXELS", 383)
    with pytest.raises(InputError, match=r"3,072 pixels; at most 383 .*decompression bomb"):
        load_video(path, TINY)
    for kind in ("GIF", "WEBP", "PNG"):
        with pytest.raises(InputError, match=r"384 pixels; at most 383 .*decompression bomb"):
            load_video(animation(FIVE, DURATIONS, kind), TINY)


def test_without_pyav_the_extra_is_named_and_animations_work(tmp_path, monkeypatch):
    path = film(tmp_path / "clip.mp4", FIVE, DURATIONS)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=r"pip install 'milvus-hash\[video\]'"):
        load_video(path, TINY)
    assert shades(load_video(animation(FIVE, DURATIONS, "GIF"), TINY)) == EIGHT


def test_fuzzed_clips_never_raise_anything_else(tmp_path):
    rng = np.random.default_rng(7)
    seeds = [animation(FIVE, DURATIONS, kind) for kind in ("GIF", "WEBP", "PNG")]
    for suffix, codec in (("mp4", "mpeg4"), ("mkv", "libx264"), ("webm", "libvpx"), ("avi", "mjpeg")):
        seeds.append(steady(tmp_path / f"clip.{suffix}", 8, codec=codec, noise=20).read_bytes())
    for _ in range(200):
        data = bytearray(seeds[rng.integers(len(seeds))])
        for position in rng.integers(0, len(data), 6):
            data[position] = rng.integers(256)
        with contextlib.suppress(InputError):
            assert load_video(bytes(data), TINY).shape == (8, 8, 8, 3)
