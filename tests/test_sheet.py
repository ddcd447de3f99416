"""The contact sheet, by its pixels and by its markup."""

from __future__ import annotations

import base64
import io
import sys
from html.parser import HTMLParser

import pytest
from clips import animation, film
from PIL import Image

from milvus_hash.errors import InputError
from milvus_hash.query import Hit
from milvus_hash.sheet import Answer, write_sheet
from milvus_hash.sheet.png import _shorten, _wrap

ODD = 'a\nb "q" <b>é</b> \N{GRINNING FACE}\x1b[31m' * 3


def hit(item: str, distance: int, modality: str = "image", **fields: str) -> Hit:
    modality = "text" if "text" in fields else modality
    return Hit(item=item, modality=modality, ordinal=0, distance=distance, score=1 - distance / 32, fields=fields)


@pytest.fixture
def red(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGBA", (40, 20), (255, 0, 0, 255)).save(path)
    return str(path)


def colours(path) -> set[tuple[int, int, int]]:
    with Image.open(path) as image:
        return {colour for _, colour in image.getcolors(1 << 24)}


def test_png_shows_the_pictures(tmp_path, red):
    with_picture, without = tmp_path / "with.png", tmp_path / "without.PNG"
    write_sheet(with_picture, [Answer([hit("a", 3, path=red)], text="red")], pictures=[tmp_path])
    write_sheet(without, [Answer([hit("a", 3, path=str(tmp_path / "gone.png"))], text="red")])
    assert (255, 0, 0) in colours(with_picture)
    assert (255, 0, 0) not in colours(without)


def test_png_shows_the_picture_that_was_asked(tmp_path, red):
    path = tmp_path / "sheet.png"
    write_sheet(path, [Answer([hit("a", 3, text="a text card")], image=red)])
    assert (255, 0, 0) in colours(path)


@pytest.fixture
def moving(tmp_path):
    """A film and an animation: red, then blue for the longer time."""
    colours, durations = [(255, 0, 0), (0, 0, 255)], [100, 300]
    (tmp_path / "moving.webp").write_bytes(animation(colours, durations, "WEBP"))
    path = film(tmp_path / "moving.mkv", colours, durations, codec="ffv1")
    return [str(path), str(tmp_path / "moving.webp")]


def test_png_shows_the_middle_of_a_clip(tmp_path, moving):
    path = tmp_path / "sheet.png"
    for clip in moving:
        for answer in (Answer([hit("a", 3, "video", path=clip)], text="t"), Answer([], video=clip)):
            write_sheet(path, [answer], pictures=[tmp_path])
            assert any(blue > 245 and max(red, green) < 10 for red, green, blue in colours(path))
            assert not any(red > 245 and max(green, blue) < 10 for red, green, blue in colours(path))


def test_html_shows_a_clip_as_a_loop(tmp_path, moving):
    path = tmp_path / "sheet.html"
    gone = hit("b", 4, "video", path=str(tmp_path / "gone.mp4"))
    write_sheet(path, [Answer([hit("a", 3, "video", path=moving[0]), gone], video=moving[1])], pictures=[tmp_path])
    page = Texts()
    page.feed(path.read_text(encoding="utf-8"))
    assert len(page.sources) == 2
    assert {"QUERY · CLIP", "moving.webp", "no clip"} <= set(page.seen)
    for source in page.sources:
        kind, data = source.split(",")
        assert kind == "data:image/webp;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as loop:
            assert loop.n_frames == 2  # twelve frames, of which equal ones follow each other
            assert loop.convert("RGB").getpixel((176, 176))[0] > 200
            loop.seek(1)
            assert loop.convert("RGB").getpixel((176, 176))[2] > 200


def test_a_clip_that_cannot_be_read_without_pyav_is_a_grey_card(tmp_path, moving, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    write_sheet(
        tmp_path / "sheet.html", [Answer([hit("a", 3, "video", path=moving[0])], text="red")], pictures=[tmp_path]
    )
    assert "no clip" in (tmp_path / "sheet.html").read_text(encoding="utf-8")


def test_png_grid_is_five_wide_and_grows_downwards(tmp_path, red):
    def size(hits: int) -> tuple[int, int]:
        path = tmp_path / f"{hits}.png"
        write_sheet(path, [Answer([hit(str(n), n, path=red) for n in range(hits)], text="red")], pictures=[tmp_path])
        with Image.open(path) as image:
            return image.size

    one, five, six, eleven = size(1), size(5), size(6), size(11)
    assert one == five
    assert six[0] == five[0]
    assert eleven[1] - six[1] == six[1] - five[1] > 200


@pytest.mark.parametrize("name", ["sheet.png", "sheet.html"])
def test_odd_ids_texts_and_no_answers_are_drawn(tmp_path, name):
    path = tmp_path / name
    hits = [hit(ODD, 0, text=ODD * 50), hit("", 64, path="")]
    answers = [Answer(hits, text=ODD), Answer([], image=ODD), Answer([], text="")]
    write_sheet(path, answers)
    assert path.stat().st_size > 500
    write_sheet(path, [])


class Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.tags: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name == "src"]

    def handle_data(self, data):
        self.seen.append(data)


def test_html_is_escaped_and_self_contained(tmp_path, red):
    path = tmp_path / "sheet.html"
    attack = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    write_sheet(
        path, [Answer([hit(attack, 12, path=red), hit("t", 20, text=attack)], text=attack)], pictures=[tmp_path]
    )
    page = Texts()
    page.feed(path.read_text(encoding="utf-8"))
    assert page.tags.count("script") == 0
    assert page.tags.count("img") == 1
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert page.seen.count(attack) == 3
    assert "distance 12 · score 0.62" in page.seen


def test_only_pictures_of_the_named_folders_are_shown(tmp_path):
    """The collection says where a hit's picture lies, and somebody else may have written it."""
    shown, private = tmp_path / "shown", tmp_path / "private"
    for folder in (shown, private, shown / ".hidden", shown / "sub"):
        folder.mkdir()
        Image.new("RGB", (40, 40), (255, 0, 0)).save(folder / "red.png")
    (shown / "link.png").symlink_to(private / "red.png")
    (shown / "folder").symlink_to(private)
    (tmp_path / "other").symlink_to(shown)
    sheet = tmp_path / "sheet.html"

    def shows(path: object, *pictures: object) -> bool:
        outside = write_sheet(sheet, [Answer([hit("a", 3, path=path)], text="red")], pictures=pictures)
        assert outside == ("data:image" not in sheet.read_text())
        return not outside

    for path in ("sub/red.png", "red.png", "../shown/red.png"):
        assert shows(str(shown / path), private, shown)
        assert shows(str(shown / path), str(tmp_path / "other"))
    assert shows(str(tmp_path / "other" / "red.png"), shown)
    assert shows(str(shown / ".hidden" / "red.png"), shown / ".hidden")
    for path in ("../private/red.png", "link.png", "folder/red.png", ".hidden/red.png"):
        assert not shows(str(shown / path), shown)
    for odd in (str(private / "red.png"), "\0", "\ud800", "http://127.0.0.1:1/x.png", "/dev/zero", 7, ["x"]):
        assert not shows(odd, shown)
        assert not shows(odd)
    write_sheet(tmp_path / "sheet.png", [Answer([hit("a", 3, path=str(private / "red.png"))], text="red")])
    assert (255, 0, 0) not in colours(tmp_path / "sheet.png")
    with pytest.raises(InputError, match="takes a list of folders"):
        write_sheet(sheet, [], pictures=str(shown))


def test_html_says_when_there_are_no_hits(tmp_path):
    path = tmp_path / "sheet.html"
    write_sheet(path, [Answer([], text="nothing")])
    assert "no hits" in path.read_text(encoding="utf-8")


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"ends in '\.pdf'"):
        write_sheet(tmp_path / "sheet.pdf", [])


def test_a_folder_that_is_not_there_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be written: No such file"):
        write_sheet(tmp_path / "gone" / "sheet.png", [])


@pytest.mark.parametrize("width", [3, 5, 11, 40])
def test_wrapped_lines_fit_and_lose_nothing_but_the_end(width):
    text = "one three incomprehensibility a of thirty-three"
    lines = _wrap(text, len, width, 100)
    assert all(len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    short = _wrap(text, len, width, 2)
    assert len(short) <= 2
    assert len(lines) <= 2 or short[-1].endswith("…")
    assert all(len(line) <= width for line in short)


def test_a_long_id_keeps_both_ends():
    shown = _shorten("animals/birds/fox.png", len, 11)
    assert len(shown) == 11
    assert shown.startswith("anim")
    assert shown.endswith(".png")
