"""Which formats are read, and that nothing else is opened."""

import re
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded, quarters
from PIL import Image

import milvus_hash
from milvus_hash.bundle import ImageInput, VideoInput
from milvus_hash.errors import InputError
from milvus_hash.media import opening
from milvus_hash.media.image import load_image, read_picture
from milvus_hash.media.video import load_video

TINY = ImageInput(size=8)


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA"])
def test_formats_that_are_read(kind, tmp_path):
    data = encoded(quarters(), kind)
    found = read_picture(data)
    assert found.size == (48, 32)
    assert abs(np.asarray(found, dtype=int)[4, 4] - (200, 30, 30)).max() < 20
    (tmp_path / "named.jpg").write_bytes(data)  # the content says what it is
    assert np.array_equal(np.asarray(read_picture(tmp_path / "named.jpg")), np.asarray(found))
    assert load_video(data, VideoInput(size=8, frames=2)).shape == (2, 8, 8, 3)


@pytest.mark.parametrize("options", [{}, {"bitmap_format": "bmp"}])
@pytest.mark.parametrize("side", [16, 64, 256])
def test_icons(side, options):
    assert read_picture(encoded(quarters(side, side), "ICO", sizes=[(side, side)], **options)).size == (side, side)


@pytest.mark.parametrize("data", [b"P5\n8 8\n65535\n" + b"\x80\x80" * 64, b"Pf\n8 8\n-1.0\n" + b"\0\0\0?" * 64])
def test_portable_maps_of_many_bits(data):
    assert read_picture(data).getpixel((4, 4)) == (128, 128, 128)


@pytest.mark.parametrize("kind", ["EPS", "PDF", "PCX", "SGI", "DDS", "ICNS", "MSP", "PALM", "XBM"])
def test_formats_that_are_not_read(kind, tmp_path):
    picture = quarters(64, 64).convert({"MSP": "1", "PALM": "P", "XBM": "1"}.get(kind, "RGB"))
    (tmp_path / "photo.png").write_bytes(encoded(picture, kind))
    with pytest.raises(InputError, match=r"photo\.png is not a picture of a format that is read \(JPEG, PNG, WEBP"):
        load_image(tmp_path / "photo.png", TINY)


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "photo.eps", "photo"])
def test_postscript_never_starts_a_program(name, tmp_path, ghostscript):
    script = encoded(quarters(), "EPS")
    dos = b"\xc5\xd0\xd3\xc6" + (30).to_bytes(4, "little") + len(script).to_bytes(4, "little") + bytes(18) + script
    for data in (script, dos):
        (tmp_path / name).write_bytes(data)
        for source in (tmp_path / name, data):
            with pytest.raises(InputError):
                load_image(source, TINY)
            with pytest.raises(InputError):
                load_video(source, VideoInput(size=8, frames=2))
    assert not ghostscript.exists()


def test_pictures_are_opened_in_one_place():
    root = Path(milvus_hash.__file__).parents[1]
    opens = re.compile(r"\b(Image\.open|imread|read_image|decode_image|Image\.init|ImageFile\.Parser)\(")
    for folder in ("milvus_hash", "export"):
        for path in (root / folder).rglob("*.py"):
            assert not opens.search(path.read_text(encoding="utf-8")), path


def test_suffixes_are_those_that_pillow_writes(tmp_path):
    suffixes = Image.registered_extensions()
    for suffix in opening.SUFFIXES - {".jpx", ".jpf"}:
        assert suffixes[suffix] in {*opening.FORMATS, "MPO", "DIB"}, suffix
