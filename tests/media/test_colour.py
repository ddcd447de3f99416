"""Greys of more than 8 bits, whatever their scale, and transparency of every kind of PNG."""

import numpy as np
import pytest
from pictures import chunk, encoded, png, tiff
from PIL import Image

from milvus_hash.media import colour, image
from milvus_hash.media.image import read_picture

RAMP = np.linspace(0, 1, 2500).reshape(50, 50)


def greys(source):
    found = np.asarray(read_picture(source))
    assert (found[..., 0] == found[..., 1]).all()
    return found[..., 0].astype(int)


@pytest.mark.parametrize(
    ("numbers", "brightest"),
    [
        pytest.param(RAMP.astype(np.float32), 255, id="float-to-1"),
        pytest.param((0.5 * RAMP).astype(np.float32), 128, id="float-to-a-half"),
        pytest.param((1.5 * RAMP).astype(np.float32), 255, id="float-a-little-over-1"),
        pytest.param((200 * RAMP).astype(np.float32), 200, id="float-to-200"),
        pytest.param((300 * RAMP).astype(np.float32), 255, id="float-to-300"),
        pytest.param((65535 * RAMP).astype(np.float32), 255, id="float-to-65535"),
        pytest.param((1e9 * RAMP).astype(np.float32), 119, id="float-to-a-milliard"),
        pytest.param((1e12 * RAMP).astype(np.float32), 255, id="float-beyond-all-scales"),
        pytest.param((32768 * RAMP).astype(np.uint16), 128, id="16-bit"),
        pytest.param((3000 * RAMP).astype(np.uint16), 12, id="16-bit-dark"),
        pytest.param((200 * RAMP).astype(np.int32), 200, id="int-to-200"),
        pytest.param((32768 * RAMP).astype(np.int32), 128, id="int-to-32768"),
        pytest.param((1e6 * RAMP).astype(np.int32), 255, id="int-to-a-million"),
        pytest.param(((2**31 - 1) * RAMP).astype(np.int32), 255, id="int-to-31-bits"),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_ramps_stay_ramps(numbers, brightest, order):
    found = greys(tiff(numbers, order=order))
    assert abs(found.max() - brightest) <= 1
    assert abs(found - RAMP * brightest).max() <= 1.6
    assert np.array_equal(greys(encoded(Image.fromarray(numbers), "TIFF", compression="tiff_lzw")), found)


def test_integers_of_32_bits_without_a_sign():
    assert abs(greys(tiff(((2**32 - 1) * RAMP).astype(np.uint32))) - 255 * RAMP).max() <= 1


def test_numbers_below_zero():
    noisy = np.where(RAMP > 0.5, 1.0, -0.01).astype(np.float32)
    assert np.unique(greys(tiff(noisy))).tolist() == [0, 255]
    for signed in ((2 * RAMP - 1).astype(np.float32), (65535 * RAMP - 32768).astype(np.int16)):
        assert abs(greys(tiff(signed)) - 255 * RAMP).max() <= 1.6
    assert np.unique(greys(tiff(np.full((9, 9), -5, np.float32)))).size == 1


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_none():
    odd = RAMP.astype(np.float32)
    odd[0, :4] = np.nan, np.inf, -np.inf, np.finfo(np.float32).min
    odd.view(np.uint32)[0, 4] = 0x7F800001  # a signalling NaN
    found = greys(tiff(odd))
    assert found[0, :5].tolist() == [0, 255, 0, 0, 0]
    assert abs(found[1:] - 255 * RAMP[1:]).max() <= 1
    assert not greys(tiff(np.full((9, 9), np.nan, np.float32))).any()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_white_may_be_zero(kind):
    dark = np.full((9, 9), np.iinfo(kind).max, kind)
    assert not greys(tiff(dark, [(262, 3, [0])])).any()
    assert (greys(tiff(0 * dark, [(262, 3, [0])])) == 255).all()


def test_strips_of_a_large_picture_have_one_scale(monkeypatch):
    ramp = (1.5 * np.linspace(0, 1, 300 * 200)).reshape(300, 200).astype(np.float32)
    whole = greys(tiff(ramp))
    monkeypatch.setattr(image, "_LARGE", 1000)
    monkeypatch.setattr(colour, "_STRIP", 1000)
    found = np.asarray(read_picture(tiff(ramp), side=10))[..., 0].astype(int)
    assert found.shape[1] < 200
    assert (np.diff(found.mean(axis=1)) > 0).all()
    assert abs(found[-1].mean() - whole[-10:].mean()) < 5


@pytest.mark.parametrize(
    ("depth", "kind", "row", "clear"),
    [
        pytest.param(16, 0, b"\x12\x34" * 8, b"\x12\x34", id="grey-16"),
        pytest.param(16, 0, bytes(16), bytes(2), id="grey-16-black"),
        pytest.param(8, 0, b"\x12" * 8, b"\0\x12", id="grey-8"),
        pytest.param(4, 0, b"\x33" * 4, b"\0\3", id="grey-4"),
        pytest.param(2, 0, b"\x55" * 2, b"\0\1", id="grey-2"),
        pytest.param(1, 0, b"\0", b"\0\0", id="grey-1"),
        pytest.param(8, 2, b"\1\2\3" * 8, b"\0\1\0\2\0\3", id="rgb-8"),
        pytest.param(16, 2, b"\1\x11\2\x22\3\x33" * 8, b"\1\x11\2\x22\3\x33", id="rgb-16"),
    ],
)
def test_a_transparent_colour_lies_on_white(depth, kind, row, clear):
    rows = (b"\0" + row) * 8
    assert np.asarray(read_picture(png(8, 8, depth, kind, rows, chunk(b"tRNS", clear)))).min() == 255
    assert np.asarray(read_picture(png(8, 8, depth, kind, rows))).min() < 255
    other = bytes(value ^ (1 if depth < 16 else 0x40) for value in clear)
    assert np.asarray(read_picture(png(8, 8, depth, kind, rows, chunk(b"tRNS", other)))).min() < 255


MODES = "1 L LA La P PA RGB RGBA RGBa RGBX CMYK YCbCr HSV LAB I F I;16 I;16B I;16L"


@pytest.mark.parametrize("mode", MODES.split())
def test_every_mode_of_pillow(mode):
    found = read_picture(Image.new(mode, (20, 10)))
    assert (found.mode, found.size) == ("RGB", (20, 10))
