"""Pictures, animations and films with anything changed in them: an array or an InputError, and nothing else happens."""

import io
import struct
import tempfile
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from clips import DURATIONS, animation, grey, steady
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import XMP, chunk, encoded, exif, gif, png, quarters, tiff, with_chunks, with_segments
from PIL import Image, ImageFile, PngImagePlugin

from milvus_hash.bundle import ImageInput, VideoInput
from milvus_hash.errors import InputError
from milvus_hash.media.image import load_image
from milvus_hash.media.video import load_video

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8))
RAMP = np.linspace(-1, 2, 400, dtype=np.float32).reshape(20, 20)
METADATA = {"exif": exif(6), "icc_profile": b"no profile" * 9}
PICTURES = {
    "jpeg": encoded(NOISE, "JPEG", xmp=XMP, **METADATA),
    "jpeg-progressive": encoded(NOISE, "JPEG", progressive=True, comment=b"a comment"),
    "jpeg-cmyk": with_segments(
        encoded(NOISE.convert("CMYK"), "JPEG"), (0xE2, b"MPF\0MM\0*\0\0\0\x08"), (0xED, b"8BIM")
    ),
    "mpo": encoded(NOISE, "MPO", save_all=True, append_images=[quarters()]),
    "png": with_chunks(encoded(NOISE, **METADATA), chunk(b"zTXt", b"Raw profile type exif\0\0x"), chunk(b"iTXt", XMP)),
    "png-palette": encoded(NOISE.quantize(16), transparency=3),
    "png-grey-16": png(8, 8, 16, 0, (b"\0" + bytes(range(16))) * 8, chunk(b"tRNS", b"\1\2")),
    "webp": encoded(NOISE, "WEBP", xmp=XMP, **METADATA),
    "webp-lossless": encoded(NOISE.convert("RGBA"), "WEBP", lossless=True),
    "gif": encoded(NOISE.quantize(16), "GIF", comment=b"a comment", transparency=3),
    "bmp": encoded(NOISE, "BMP"),
    "bmp-palette": encoded(NOISE.quantize(16), "BMP"),
    "tiff": encoded(NOISE, "TIFF", exif=exif(6)),
    "tiff-lzw": encoded(NOISE, "TIFF", compression="tiff_lzw", save_all=True, append_images=[quarters()]),
    "tiff-jpeg": encoded(NOISE, "TIFF", compression="jpeg"),
    "tiff-float": tiff(RAMP, [(0x112, 3, [8]), (700, 4, [1, 2, 3])]),
    "tiff-int": tiff((RAMP * 1e9).astype(np.int32), order=">"),
    "tiff-big": encoded(NOISE, "TIFF", big_tiff=True),
    "avif": encoded(NOISE, "AVIF", exif=exif(6), xmp=XMP),
    "jpeg-2000": encoded(NOISE, "JPEG2000", tile_size=(16, 16)),
    "ppm": encoded(NOISE, "PPM"),
    "ppm-plain": b"P2\n3 2\n# a comment\n999\n" + b"1 20 300 " * 2,
    "pfm": b"Pf\n20 20\n-1.0\n" + RAMP.tobytes(),
    "tga": encoded(NOISE, "TGA", compression="tga_rle"),
    "ico": encoded(NOISE, "ICO", sizes=[(16, 16), (24, 20)]),
    "ico-bitmap": encoded(NOISE, "ICO", sizes=[(16, 16)], bitmap_format="bmp"),
}
ANIMATIONS = {
    kind.lower(): animation([grey(index) for index in range(5)], DURATIONS, kind) for kind in ("GIF", "WEBP", "PNG")
}
ANIMATIONS["gif-small"] = gif(9, 9, 12)
FILMS = {"mp4": "mpeg4", "mkv": "libx264", "webm": "libvpx", "avi": "mjpeg", "ts": "libx264"}

extremes = st.sampled_from([b"\0", b"\xff", b"\x7f", b"\x80", b"\1"]).flatmap(
    lambda one: st.sampled_from([one, one * 2, one * 4])
)
numbers = st.integers(0, 2**32 - 1).map(lambda value: struct.pack(">I", value)) | st.integers(0, 65535).map(
    lambda value: struct.pack("<H", value)
)
pieces = extremes | numbers | st.binary(max_size=12)


@cache
def film(suffix):
    with tempfile.TemporaryDirectory() as folder:
        return steady(Path(folder) / f"clip.{suffix}", 6, codec=FILMS[suffix], size=(32, 32), noise=20).read_bytes()


places = st.tuples(st.sampled_from(["begin", "end", "anywhere"]), st.integers(0, 2**20))
kinds = st.sampled_from(["change", "change", "cut", "drop", "repeat", "insert", "splice"])
edits = st.lists(st.tuples(kinds, places, st.integers(0, 40), pieces, st.integers(0, 2**20)), min_size=1, max_size=4)


def spoil(data, edits, others=(b"",)):
    """``data`` cut, with bytes changed, left out, repeated or put in, or with a piece of another file in the middle."""
    data = bytearray(data)
    for kind, (where, offset), length, piece, choice in edits:
        at = offset % (min(300, len(data)) + 1 if where == "begin" else len(data) + 1)
        if where == "end":
            at = max(0, len(data) - offset % 100)
        if kind == "change":
            data[at : at + len(piece)] = piece
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + length]
        elif kind == "repeat":
            data[at:at] = data[at : at + length] * (1, 3, 200)[choice % 3]
        elif kind == "insert":
            data[at:at] = piece
        else:
            other = others[choice % len(others)]
            begin = choice % (len(other) + 1)
            data[at : at + length] = other[begin : begin + 10 * length]
    return bytes(data)


def of_the_process():
    """What Pillow and Python keep for the whole process."""
    limits = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, ImageFile.MAXBLOCK)
    return (*limits, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY, list(warnings.filters))


def assert_array_or_input_error(read, source, target, shape):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        before = of_the_process()
        with suppress(InputError):
            found = read(source, target)
            assert (found.shape, found.dtype) == (shape, np.uint8)
        assert of_the_process() == before
    assert [str(warning.message) for warning in warned] == []


def assert_sound(data):
    assert_array_or_input_error(load_image, data, ImageInput(size=8), (8, 8, 3))
    assert_array_or_input_error(load_video, data, VideoInput(size=8, frames=3), (3, 8, 8, 3))


@pytest.mark.parametrize("kind", PICTURES)
@settings(settings.get_profile("fuzz"))
@given(edits=edits)
def test_pictures(kind, edits, capfd):
    assert_sound(spoil(PICTURES[kind], edits, list(PICTURES.values())))
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "" or kind.startswith("tiff")  # on errors, which libtiff prints by itself


@pytest.mark.parametrize("kind", ANIMATIONS)
@settings(settings.get_profile("fuzz"))
@given(edits=edits)
def test_animations(kind, edits, capfd):
    assert_sound(spoil(ANIMATIONS[kind], edits, list(ANIMATIONS.values())))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", FILMS)
@settings(settings.get_profile("fuzz"))
@given(edits=edits)
def test_films(suffix, edits, capfd):
    changed = spoil(film(suffix), edits)
    assert_array_or_input_error(load_video, changed, VideoInput(size=8, frames=3), (3, 8, 8, 3))
    assert capfd.readouterr() == ("", "")


@settings(settings.get_profile("fuzz"))
@given(kind=st.sampled_from(sorted(PICTURES | ANIMATIONS)), edits=edits)
def test_images_that_pillow_opened(kind, edits):
    """What Pillow itself makes of the file is not asked; what is handed in stays as it is."""
    changed = spoil((PICTURES | ANIMATIONS)[kind], edits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(io.BytesIO(changed))
        except Exception:  # Pillow may raise anything here
            return
        before = (picture.size, picture.mode, picture.tell(), picture.fp and picture.fp.tell())
        with suppress(InputError):
            assert load_image(picture, ImageInput(size=8)).shape == (8, 8, 3)
        assert (picture.size, picture.mode, picture.tell(), picture.fp and picture.fp.tell()) == before
