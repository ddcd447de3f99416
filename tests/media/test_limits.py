"""Few bytes that claim to be much: refused at once, with numbers and the limit."""

import struct
import subprocess
import sys

import numpy as np
import pytest
from pictures import chunk, encoded, exif, gif, png, quarters, tiff
from PIL import Image

from milvus_hash.bundle import ImageInput, VideoInput
from milvus_hash.errors import InputError
from milvus_hash.media import limits
from milvus_hash.media.containers import contents
from milvus_hash.media.image import load_image
from milvus_hash.media.video import load_video

TINY = ImageInput(size=8)
CLIP = VideoInput(size=8, frames=2)


def animated(kind, width, height, frames):
    """An animation whose header and control blocks are right, whatever the frames hold."""
    if kind == "GIF":
        return gif(width, height, frames)
    if kind == "PNG":
        controls = (struct.pack(">IIIIIHHBB", n, width, height, 0, 0, 1, 10, 0, 0) for n in range(frames))
        return png(width, height, 8, 6, b"", chunk(b"acTL", struct.pack(">II", frames, 0)), *map(fctl, controls))
    frame = b"ANMF" + struct.pack("<I", 24) + bytes(12) + b"\x0a\0\0\0" + b"VP8 " + bytes(4)
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + size + b"ANIM\6\0\0\0" + bytes(6) + frame * frames
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def fctl(control):
    return chunk(b"fcTL", control)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_frames_times_canvas(kind):
    with pytest.raises(InputError, match=r"20,000 frames of 3,000 x 3,000, 180,000,000,000 pixels .* 4,000,000,000"):
        load_video(animated(kind, 3000, 3000, 20_000), CLIP)
    with pytest.raises(InputError, match=r"bytes of memory to decode; at most 1,000,000,000 "):
        load_video(animated(kind, 13_000, 13_000, 2), CLIP)
    with pytest.raises(InputError, match="100,001 frames; at most 100,000 are decoded"):
        load_video(animated(kind, 1, 1, 100_001), CLIP)
    with pytest.raises(InputError, match="pixels; at most 178,956,970"):
        load_video(animated(kind, 16_000, 16_000, 2), CLIP)


def test_as_a_picture_only_the_first_frame_counts():
    assert load_image(gif(3000, 3000, 20_000), TINY).shape == (8, 8, 3)


def test_a_canvas_that_its_frames_exceed():
    data = bytearray(gif(10, 10, 2))
    frame = data.index(b"\x2c\0\0\0\0")
    struct.pack_into("<HH", data, frame + 1, 65_000, 65_000)
    for read, target in ((load_image, TINY), (load_video, CLIP)):
        with pytest.raises(InputError, match="pixels; at most 178,956,970"):
            read(bytes(data), target)


def test_scans_of_a_jpeg():
    data = encoded(Image.new("L", (2000, 2000)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    many = data[:-2] + data[last:-2] * 5000 + data[-2:]
    with pytest.raises(InputError, match=r"5,0\d\d scans of 2,000 x 2,000, 20,0\d\d,000,000 pixels in all"):
        load_image(many, TINY)
    assert load_image(data, TINY).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {"speed": 10}),
        ("JPEG2000", {}),
        ("JPEG", {"progressive": True}),
    ],
)
def test_memory_that_a_decoder_takes_counts(kind, options, monkeypatch):
    data = encoded(Image.new("RGB", (500, 500)), kind, **options)
    assert load_image(data, TINY).shape == (8, 8, 3)
    monkeypatch.setattr(limits, "MAX_MEMORY", 5 * 500 * 500)
    with pytest.raises(InputError, match=r"bytes of memory to decode; at most 1,250,000"):
        load_image(data, TINY)
    assert load_image(encoded(Image.new("RGB", (500, 500))), TINY).shape == (8, 8, 3)


def test_tiles_larger_than_the_picture():
    tiles = [(322, 4, [60_000]), (323, 4, [60_000]), (324, 4, [8]), (325, 4, [81])]
    with pytest.raises(InputError, match="bytes of memory to decode"):
        load_image(tiff(np.zeros((9, 9), np.uint8), tiles), TINY)


@pytest.mark.parametrize(
    "data",
    [png(9, 9, 8, 0, bytes(90), *[chunk(b"IDAT", b"")] * 200), tiff(np.zeros((9, 9), np.uint8), [(273, 4, [8] * 200)])],
)
def test_too_many_parts(data, monkeypatch):
    assert load_image(data, TINY).shape == (8, 8, 3)
    monkeypatch.setattr(contents, "MOST_PARTS", 100)
    with pytest.raises(InputError, match="more than 100 parts"):
        load_image(data, TINY)


def test_a_file_that_is_larger_than_memory(tmp_path):
    with (tmp_path / "large.png").open("wb") as file:
        file.write(encoded(quarters()))
        file.truncate(1 << 40)
    with pytest.raises(InputError, match=r"large\.png takes .* bytes of memory"):
        load_image(tmp_path / "large.png", TINY)


PEAK = """
import io, pathlib, sys
from PIL import Image
from milvus_hash.bundle import ImageInput
from milvus_hash.media.image import load_image
small = io.BytesIO()
Image.new("RGB", (9, 9)).save(small, "PNG")
load_image(small.getvalue(), ImageInput(224))
def peak():
    return 1024 * int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
before = peak()
load_image(sys.argv[1], ImageInput(224))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
@pytest.mark.parametrize(("depth", "kind", "samples"), [(16, 6, 4), (16, 0, 1)])
def test_a_large_picture_takes_little_more_than_its_decoded_pixels(tmp_path, depth, kind, samples):
    side = 4800
    rows = bytes(side * (1 + side * samples * depth // 8))
    turned = chunk(b"eXIf", exif(6).removeprefix(b"Exif\0\0"))
    (tmp_path / "large.png").write_bytes(png(side, side, depth, kind, rows, turned))
    done = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path / "large.png")], capture_output=True, check=True)
    assert samples * side * side < int(done.stdout) < 5.5 * side * side
