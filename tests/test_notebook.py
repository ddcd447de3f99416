"""What notebooks are given to show: pictures inside, nothing that runs, nothing that lies elsewhere."""

from __future__ import annotations

import asyncio
import base64
import io
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from clips import animation
from PIL import Image

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.errors import InputError
from milvus_hash.query import Hit
from milvus_hash.query.hits import Hits
from milvus_hash.record import Record

ATTACK = "</p></style><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\ud800"
SEEN = ATTACK.replace("\ud800", "\N{REPLACEMENT CHARACTER}")


class Page(HTMLParser):
    """The tags, attributes and texts of a part of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        html.encode()  # a notebook is a file
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def pictures(self) -> list[Image.Image]:
        sources = [value for name, value in self.attributes if name == "src"]
        assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
        return [Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) for source in sources]


def hit(item: str = "a", modality: str = "image", **fields: object) -> Hit:
    return Hit(item, modality, 0, 3, 0.9, fields)


@pytest.fixture
def red(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (3000, 1000), (255, 0, 0)).save(tmp_path / "red.png")
    return str(tmp_path / "red.png")


def test_hits_have_their_pictures_as_thumbnails(red):
    page = Page(
        Hits([hit("rose", path=red), hit("tulip", "text", text="a tulip"), hit("gone", path="no.png")]).to_html()
    )
    (picture,) = page.pictures
    assert picture.size == (352, 352)
    assert picture.getpixel((176, 176))[0] > 250
    for text in ("rose", "tulip", "a tulip", "gone", "no picture", "distance 3 · score 0.90"):
        assert text in page.texts
    assert Page(Hits().to_html()).texts[-1] == "no hits"


def test_a_clip_is_one_frame(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.webp").write_bytes(animation([(255, 0, 0), (0, 0, 255)], [100, 300], "WEBP"))
    page = Page(Hits([hit("c", "video", path=str(tmp_path / "clip.webp"))]).to_html())
    assert page.pictures[0].getpixel((176, 176))[2] > 250


def test_what_others_have_written_does_not_run(red):
    page = Page(Hits([hit(ATTACK, path=red), hit("t", "text", text=ATTACK), hit("p", path=ATTACK)]).to_html())
    assert set(page.tags) == {"style", "div", "figure", "img", "figcaption", "b", "span", "p"}
    assert {name for name, _ in page.attributes} == {"class", "alt", "src", "title"}
    assert page.texts.count(SEEN) == 2


def test_pictures_elsewhere_are_not_opened(tmp_path, red, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    hits = Hits([hit("rose", path=red)])
    page = Page(hits._repr_html_())
    assert not page.pictures
    assert page.texts[-1].startswith("1 of the files lie outside the working directory and are not opened")
    assert len(Page(hits.to_html(pictures=[tmp_path])).pictures) == 1
    assert not Page(hits.to_html(pictures=[])).pictures
    with pytest.raises(InputError, match="takes a list of folders"):
        hits.to_html(pictures=str(tmp_path))


def test_of_many_hits_the_first_are_shown(red):
    page = Page(Hits([hit(str(n), path=red) for n in range(1000)]).to_html())
    assert len(page.pictures) == 24
    assert page.texts[-1] == "and 976 more"


def test_every_search_gives_hits_that_are_lists(lite_store, tiny_encoder):
    query = tiny_encoder.query(text="red")
    with lite_store.create() as collection:
        collection.add([Record("a", texts=("red",))])

        async def ask() -> list[Hits]:
            awaited = AsyncHashCollection(collection)
            one = await awaited.search(text="red", into="text")
            return [
                one,
                await awaited.within(9, text="red", into="text"),
                *await awaited.search_many([query], into="text"),
            ]

        found = [
            collection.search(text="red", into="text"),
            collection.within(9, text="red", into="text"),
            *collection.search_many([query], into="text", rescore=True),
            *collection.search_codes(query.code[None], into="text"),
            *asyncio.run(ask()),
        ]
    for hits in found:
        assert type(hits) is Hits
        assert hits == [hits[0]]
        assert "red" in Page(hits._repr_html_()).texts


def test_collections_encoders_and_bundles_say_what_they_are(lite_store, tiny_encoder):
    bundle = tiny_encoder.bundle
    assert repr(tiny_encoder) == f"Encoder({bundle.name!r}, bits=64, modalities=('image', 'text'))"
    shown = Page(tiny_encoder._repr_html_()).texts
    assert repr(tiny_encoder) in shown
    assert bundle.fingerprint in shown
    with lite_store.create(fields={"year": int}) as collection:
        shown = Page(collection._repr_html_()).texts
        assert repr(collection) in shown
        assert "year: int" in shown
        assert Page(AsyncHashCollection(collection)._repr_html_()).texts == shown
    hostile = replace(bundle, name=ATTACK, licence=ATTACK, trained_on=ATTACK)
    page = Page(hostile._repr_html_())
    assert set(page.tags) == {"div", "code", "table", "tr", "th", "td"}
    assert page.texts.count(SEEN) == 2
