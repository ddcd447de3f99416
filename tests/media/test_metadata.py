"""What is not pixels never costs a picture; what it says of the orientation is applied."""

import io
import struct
import zlib

import numpy as np
import pytest
from pictures import CORNERS, XMP, chunk, encoded, exif, quarters, tiff, with_chunks, with_segments
from PIL import Image, PngImagePlugin

from milvus_hash.media import opening
from milvus_hash.media.image import read_picture

TURNED = tuple(CORNERS[index] for index in (2, 0, 3, 1))
"""The corners after 90 degrees clockwise."""


def corners(source):
    """Size and corners, rounded to the colours that they can be."""
    picture = read_picture(source, side=224)
    width, height = picture.size
    places = ((4, 4), (width - 5, 4), (4, height - 5), (width - 5, height - 5))
    pixels = [np.array(picture.getpixel(place)) for place in places]
    near = [min(CORNERS, key=lambda colour: abs(np.array(colour) - pixel).sum()) for pixel in pixels]
    return picture.size, tuple(near)


def assert_upright(source):
    assert corners(source) == ((48, 32), CORNERS)


def assert_turned(source):
    assert corners(source) == ((32, 48), TURNED)


KINDS = [
    pytest.param("JPEG", {"quality": 95}, id="jpeg"),
    pytest.param("PNG", {}, id="png"),
    pytest.param("WEBP", {"lossless": True}, id="webp"),
]


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_broken_metadata_costs_nothing(kind, options):
    assert_upright(encoded(quarters(), kind, exif=b"Exif\0\0garbage", **options))
    assert_upright(encoded(quarters(), kind, exif=exif(6)[:20], **options))
    assert_upright(encoded(quarters(), kind, icc_profile=b"no profile" * 5000, **options))
    assert_upright(encoded(quarters(), kind, exif=exif(9), **options))


@pytest.mark.parametrize(("kind", "options"), [*KINDS, pytest.param("AVIF", {"quality": 95}, id="avif")])
def test_orientation(kind, options):
    assert_turned(encoded(quarters(), kind, exif=exif(6), **options))


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_of_a_tiff(order):
    grey = np.zeros((10, 20), np.uint8)
    grey[:, :10] = 255
    found = np.asarray(read_picture(tiff(grey, [(0x112, 3, [6])], order)))
    assert found.shape == (20, 10, 3)
    assert (found[0, 0, 0], found[-1, 0, 0]) == (255, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_agrees_with_pillow(orientation):
    from PIL import ImageOps

    data = encoded(quarters(), exif=exif(orientation))
    with Image.open(io.BytesIO(data)) as picture:
        wanted = ImageOps.exif_transpose(picture)
        assert np.array_equal(np.asarray(read_picture(data)), np.asarray(wanted))


@pytest.mark.parametrize(("kind", "options"), [param for param in KINDS if param.id != "png"])
def test_orientation_in_xmp_counts_where_exif_has_none(kind, options):
    assert_turned(encoded(quarters(), kind, xmp=XMP, **options))
    assert_turned(encoded(quarters(), kind, xmp=XMP, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", **options))
    assert_upright(encoded(quarters(), kind, xmp=XMP, exif=exif(1), **options))


def test_a_tag_of_a_wrong_type_beside_the_orientation():
    tags = struct.pack("<HHII", 0x100, 1, 1, 1) + struct.pack("<HHIHH", 0x112, 3, 1, 6, 0)
    body = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + tags + bytes(4)
    assert_turned(with_segments(encoded(quarters(), "JPEG", quality=95), (0xE1, body)))


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"x" * 3_000_000))], id="long-text"),
        pytest.param([chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(b"x" * 3_000_000))], id="long-itxt"),
        pytest.param([chunk(b"tEXt", b"a\0" + b"x" * 1_000_000)] * 70, id="many-texts"),
        pytest.param([chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(50_000_000)))], id="profile-bomb"),
        pytest.param([chunk(b"iCCP", b"a\0\7")], id="unknown-packing"),
        pytest.param([b"\0\0\0\4gAMA\0\0\1\1abcd"], id="wrong-checksum"),
        pytest.param([chunk(b"pHYs", b""), chunk(b"sRGB", b""), chunk(b"cHRM", b"")], id="too-short"),
        pytest.param([chunk(b"acTL", bytes(8)), chunk(b"acTL", bytes(8))], id="no-animation"),
        pytest.param([chunk(b"eXIf", b"garbage")], id="exif"),
        pytest.param([chunk(b"tRNS", b"\0")], id="no-transparency"),
    ],
)
def test_chunks_of_a_png_that_pillow_refuses(chunks):
    assert_upright(with_chunks(encoded(quarters()), *chunks))


def test_orientation_in_every_place_of_a_png():
    plain = encoded(quarters())
    tags = exif(6)
    assert_turned(plain[:-12] + chunk(b"eXIf", tags.removeprefix(b"Exif\0\0")) + plain[-12:])
    profile = f"\nexif\n{len(tags):8}\n{tags.hex()}"
    for packed in (False, True):
        info = PngImagePlugin.PngInfo()
        info.add_text("Raw profile type exif", profile, zip=packed)
        assert_turned(encoded(quarters(), pnginfo=info))
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP, zip=packed)
        assert_turned(encoded(quarters(), pnginfo=info))


def test_a_file_that_ends_in_its_metadata():
    assert_upright(encoded(quarters())[:-12] + b"\0\0\1\0tEXtcut off")
    assert_upright(encoded(quarters())[:-12])
    assert_upright(encoded(quarters(), "WEBP", lossless=True, exif=exif(1))[:-6])
    assert_upright(encoded(quarters(), "JPEG", quality=95) + bytes(1000))


@pytest.mark.parametrize(
    "segment",
    [
        pytest.param((0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff"), id="exif-points-out"),
        pytest.param((0xE2, b"ICC_PROFILE\0\5\1" + bytes(9)), id="part-of-a-profile"),
        pytest.param((0xE2, b"MPF\0garbage"), id="several-pictures"),
        pytest.param((0xED, b"Photoshop 3.0\x008BIM\3\xed\0\0\0\0\0\xff"), id="photoshop"),
        pytest.param((0xFE, b"\xff" * 999), id="comment"),
    ],
)
def test_segments_of_a_jpeg(segment):
    assert_upright(with_segments(encoded(quarters(), "JPEG", quality=95), segment))


def test_tags_of_a_tiff_that_are_not_needed_are_not_read():
    grey = np.full((9, 9), 77, np.uint8)
    odd = [(266, 3, [1, 1, 1]), (34665, 4, [0xFFFFFFF0]), (282, 4, [0]), (700, 4, [1] * 50), (37510, 3, [1] * 9)]
    assert read_picture(tiff(grey, odd)).getpixel((4, 4)) == (77, 77, 77)


def test_only_the_first_of_several_pictures_in_one_file_is_read():
    both = encoded(quarters(), "MPO", save_all=True, append_images=[Image.new("RGB", (9, 9))], quality=95)
    assert_upright(both)
    pages = encoded(quarters(), "TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))])
    assert_upright(pages)
    icons = encoded(quarters(64, 64), "ICO", sizes=[(16, 16), (64, 64), (32, 32)])
    assert read_picture(icons).size == (64, 64)


def test_what_is_left_out_never_reaches_the_decoder():
    for kind in ("JPEG", "PNG", "WEBP"):
        found = opening.read(encoded(quarters(), kind, exif=exif(6), icc_profile=b"profile" * 9), "the picture")
        assert b"Exif" not in found.file
        assert b"profile" not in found.file
        assert found.size == (48, 32)
