"""Pictures: every mode becomes RGB on white, and every bad file one InputError."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from milvus_hash.bundle import ImageInput
from milvus_hash.errors import InputError
from milvus_hash.media import image as media
from milvus_hash.media import limits
from milvus_hash.media.image import load_image

TINY = ImageInput(size=8)


def encoded(picture, kind="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def png_of(width, height, rows=b""):
    """A PNG whose header claims any size."""

    def chunk(tag, data):
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def colour_of(source):
    pixels = load_image(source, TINY)
    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    return pixels[4, 4].tolist()


def test_alpha_lies_on_white():
    assert colour_of(encoded(Image.new("RGBA", (9, 9), (255, 0, 0, 0)))) == [255, 255, 255]
    assert colour_of(encoded(Image.new("RGBA", (9, 9), (255, 0, 0, 255)))) == [255, 0, 0]
    half = colour_of(encoded(Image.new("RGBA", (9, 9), (0, 0, 0, 128))))
    assert all(125 <= value <= 129 for value in half)


def test_grey_with_alpha_and_palette_with_transparency():
    assert colour_of(encoded(Image.new("LA", (9, 9), (0, 0)))) == [255, 255, 255]
    palette = Image.new("P", (9, 9), 0)
    palette.putpalette([10, 20, 30])
    assert colour_of(encoded(palette)) == [10, 20, 30]
    assert colour_of(encoded(palette, transparency=0)) == [255, 255, 255]


def test_sixteen_bit_grey_is_scaled_not_cut():
    deep = Image.fromarray(np.full((9, 9), 32896, dtype=np.uint16))
    assert colour_of(encoded(deep)) == [128, 128, 128]
    assert colour_of(encoded(deep, "TIFF")) == [128, 128, 128]


def test_float_grey():
    assert colour_of(encoded(Image.fromarray(np.full((9, 9), 0.5, dtype=np.float32)), "TIFF")) == [128, 128, 128]
    assert colour_of(encoded(Image.fromarray(np.full((9, 9), 200, dtype=np.float32)), "TIFF")) == [200, 200, 200]


def test_cmyk_and_one_bit():
    red = colour_of(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100))
    assert red[0] > 240
    assert max(red[1:]) < 15
    assert colour_of(encoded(Image.new("1", (9, 9), 1))) == [255, 255, 255]


def test_first_frame_of_an_animation_counts():
    frames = [Image.new("RGB", (9, 9), c) for c in ("red", "blue")]
    for kind in ("GIF", "WEBP"):
        assert colour_of(encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)) == [
            255,
            0,
            0,
        ]


def test_exif_orientation_is_applied():
    picture = Image.new("RGB", (40, 20), "white")
    picture.paste("black", (0, 0, 20, 20))  # left half
    exif = Image.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise: the left half becomes the upper one
    pixels = load_image(encoded(picture, "JPEG", exif=exif, quality=100), TINY)
    assert pixels[1].mean() < 20
    assert pixels[6].mean() > 235


@pytest.mark.parametrize(("resize", "corner"), [("squash", 0), ("pad", 255), ("crop", 0)])
def test_resize_rules(resize, corner):
    pixels = load_image(Image.new("RGB", (40, 10), "black"), ImageInput(size=8, resize=resize))
    assert pixels.shape == (8, 8, 3)
    assert pixels[0, 0].tolist() == [corner] * 3
    assert pixels[4, 4].tolist() == [0, 0, 0]


def test_path_string_bytes_and_picture_give_the_same(tmp_path):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 30, 3), dtype=np.uint8))
    path = tmp_path / "ü 'quoted' 🌸.png"
    path.write_bytes(encoded(picture))
    arrays = [load_image(source, TINY) for source in (path, str(path), path.read_bytes(), picture)]
    assert all(np.array_equal(arrays[0], other) for other in arrays[1:])


def test_resizing_transparency_does_not_bleed_hidden_colours():
    picture = Image.new("RGBA", (64, 64), (0, 255, 0, 0))  # invisible green
    picture.paste((255, 0, 0, 255), (0, 0, 32, 64))
    pixels = load_image(picture, TINY).astype(int)
    assert (pixels[..., 1] <= pixels[..., 0]).all()  # green never exceeds red on red-to-white


def files(tmp_path):
    good = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)))
    contents = {
        "empty": (b"", "empty"),
        "truncated": (good[: len(good) // 2], "cannot be decoded"),
        "header-only": (good[:20], "cannot be decoded|not a picture"),
        "text": (b"hello, I am a text", "not a picture"),
        "zero-size": (png_of(0, 5), "cannot be decoded|no pixels|not a picture"),
        "bomb": (png_of(60_000, 60_000), "decompression bomb"),
        "large": (png_of(13_400, 13_400), "decompression bomb"),
        "no-rows": (png_of(50, 50), "cannot be decoded"),
    }
    for name, (data, reason) in contents.items():
        (tmp_path / f"{name}.png").write_bytes(data)
        yield name, tmp_path / f"{name}.png", reason
    (tmp_path / "folder.png").mkdir()
    yield "folder", tmp_path / "folder.png", "is a directory"
    yield "missing", tmp_path / "missing.png", "does not exist"
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    yield "dangling", tmp_path / "link.png", "does not exist"
    yield "device", "/dev/null", "not a plain file"
    yield "nul", "a\0b.png", "cannot be opened"


def test_bad_files_are_input_errors_that_name_the_file(tmp_path):
    for name, path, reason in files(tmp_path):
        with pytest.raises(InputError, match=reason) as caught:
            load_image(path, TINY)
        assert str(path) in str(caught.value), name


def test_pixel_limit_holds_for_pillow_images_too(monkeypatch):
    monkeypatch.setattr(limits, "MAX_PIXELS", 99)
    with pytest.raises(InputError, match="100 pixels; at most 99"):
        load_image(Image.new("RGB", (10, 10)), TINY)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_large_pictures_are_reduced_in_strips(monkeypatch, mode):
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (2, 2, 4), dtype=np.uint8)).resize(
        (391, 287), Image.Resampling.BICUBIC
    )
    picture = smooth.convert(mode)
    whole = load_image(picture, TINY).astype(int)
    monkeypatch.setattr(media, "_LARGE", 1000)
    assert abs(load_image(picture, TINY).astype(int) - whole).max() <= 6


def test_fuzzed_pictures_never_raise_anything_else():
    rng = np.random.default_rng(7)
    pixels = Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8))
    seeds = [encoded(pixels, kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")]
    for _ in range(300):
        data = bytearray(seeds[rng.integers(len(seeds))])
        for position in rng.integers(0, len(data), 6):
            data[position] = rng.integers(256)
        with contextlib.suppress(InputError):
            assert load_image(bytes(data), TINY).shape == (8, 8, 3)
