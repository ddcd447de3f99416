"""An image that Pillow opened for the caller stays as it is, and is read as its file would be."""

import copy
import io
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from clips import DURATIONS, animation, grey
from pictures import encoded, exif, quarters
from PIL import Image, ImageFile, PngImagePlugin, TiffImagePlugin

from milvus_hash.bundle import ImageInput
from milvus_hash.errors import InputError
from milvus_hash.media.image import load_image, read_picture

TINY = ImageInput(size=8)
FIVE = [grey(index) for index in range(5)]


def state(picture):
    """What can be seen of an image without decoding it."""
    seen = {name: copy.copy(getattr(picture, name, None)) for name in ("size", "mode", "format", "tile", "info")}
    file = getattr(picture, "fp", None)
    return seen | {"frame": picture.tell(), "closed": file is None or file.closed, "at": file and file.tell()}


FILES = [
    pytest.param(encoded(quarters(900, 600), "JPEG"), id="jpeg"),
    pytest.param(encoded(quarters(900, 600).convert("L"), "JPEG"), id="jpeg-grey"),
    pytest.param(encoded(quarters(900, 600), "JPEG", exif=exif(6)), id="jpeg-turned"),
    pytest.param(encoded(quarters(900, 600), "MPO", save_all=True, append_images=[quarters()]), id="mpo"),
    pytest.param(encoded(quarters(), "PNG", exif=exif(6)), id="png-turned"),
    pytest.param(encoded(quarters(), "WEBP"), id="webp"),
    pytest.param(encoded(quarters(), "TIFF", compression="tiff_lzw"), id="tiff"),
    pytest.param(encoded(quarters(), "BMP"), id="bmp"),
    pytest.param(encoded(quarters(), "AVIF"), id="avif"),
    *(pytest.param(animation(FIVE, DURATIONS, kind), id=f"{kind}-animation") for kind in ("GIF", "WEBP", "PNG")),
]


@pytest.mark.parametrize("data", FILES)
def test_an_image_that_is_not_decoded_yet_stays_so(data, tmp_path):
    (tmp_path / "picture").write_bytes(data)
    wanted = load_image(data, TINY)
    for file in (io.BytesIO(data), tmp_path / "picture"):
        with Image.open(file) as picture:
            before = state(picture)
            assert np.array_equal(load_image(picture, TINY), wanted)
            assert state(picture) == before
            picture.load()
            assert picture.size == before["size"]
            loaded = np.asarray(picture).copy()
            load_image(picture, TINY)
            assert (picture.mode, picture.tell()) == (before["mode"], 0)
            assert np.array_equal(np.asarray(picture), loaded)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
@pytest.mark.parametrize("decoded", [True, False])
def test_the_frame_that_the_caller_went_to_is_read(kind, decoded):
    with Image.open(io.BytesIO(animation(FIVE, DURATIONS, kind))) as picture:
        picture.seek(3)
        if decoded:
            picture.load()
        assert np.asarray(read_picture(picture))[0, 0].tolist() == list(FIVE[3])
        assert picture.tell() == 3
        picture.seek(4)
        assert picture.convert("RGB").getpixel((0, 0)) == FIVE[4]


def test_the_page_that_the_caller_went_to_is_read():
    pages = encoded(Image.new("L", (9, 9)), "TIFF", save_all=True, append_images=[Image.new("L", (5, 7), 99)])
    with Image.open(io.BytesIO(pages)) as picture:
        picture.seek(1)
        assert read_picture(picture).size == (5, 7)
        assert (picture.tell(), picture.size) == (1, (5, 7))


def test_draft_mode_of_the_caller_stays():
    with Image.open(io.BytesIO(encoded(quarters(800, 800), "JPEG"))) as picture:
        picture.draft("L", (200, 200))
        before = (picture.size, picture.mode)
        load_image(picture, TINY)
        assert (picture.size, picture.mode) == before
        picture.load()
        assert (picture.size, picture.mode) == before


def test_one_image_in_several_threads():
    with Image.open(io.BytesIO(FILES[0].values[0])) as picture, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load_image(picture, TINY), range(40)))
        assert all(np.array_equal(found[0], other) for other in found)
        assert (picture.size, picture.fp.closed) == ((900, 600), False)


def test_an_image_whose_file_is_gone():
    stream = io.BytesIO(FILES[0].values[0])
    picture = Image.open(stream)
    stream.close()
    with pytest.raises(InputError, match="cannot be decoded"):
        load_image(picture, TINY)


def test_postscript_is_refused_before_it_is_decoded(ghostscript):
    with Image.open(io.BytesIO(encoded(quarters(), "EPS"))) as picture:
        with pytest.raises(InputError, match="EPS, which other programs decode"):
            load_image(picture, TINY)
        assert not ghostscript.exists()


def settings():
    limits = (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY, TiffImagePlugin.READ_LIBTIFF)
    return (*limits, Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))


def test_settings_of_the_process_stay(monkeypatch):
    before = settings()
    sources = [param.values[0] for param in FILES] * 20
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda source: load_image(source, TINY), sources))
    assert settings() == before


def test_pillows_own_limit_is_not_asked(monkeypatch):
    """Above it Pillow warns, which is an error here; twice above it refuses."""
    pictures = [encoded(quarters(), kind) for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "AVIF", "GIF")]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for data in pictures:
        assert load_image(data, TINY).shape == (8, 8, 3)
