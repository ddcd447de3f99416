"""The data set "clipart" from a small tree in Debian's layout."""

from __future__ import annotations

import hashlib
import logging

import pytest

from milvus_hash.errors import InputError
from milvus_hash.manifest import read_manifest, write_manifest
from milvus_hash.record import Record
from milvus_hash_export.datasets import DATASETS
from milvus_hash_export.datasets.openclipart import openclipart
from milvus_hash_export.datasets.svg import SvgMetadata, read_svg_metadata

SVG = """<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10">
  <metadata>
    <rdf:RDF xmlns:cc="http://web.resource.org/cc/" xmlns:dc="http://purl.org/dc/elements/1.1/"
             xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
      <cc:Work rdf:about="">
        <dc:title>{title}</dc:title>
        <dc:description>{description}</dc:description>
        <dc:subject><rdf:Bag><rdf:li></rdf:li>{tags}</rdf:Bag></dc:subject>
        <dc:publisher><cc:Agent rdf:about=""><dc:title>The Library</dc:title></cc:Agent></dc:publisher>
        <dc:creator><cc:Agent><dc:title>A. Painter</dc:title></cc:Agent></dc:creator>
        <dc:format>image/svg+xml</dc:format>
        <cc:license rdf:resource="http://web.resource.org/cc/PublicDomain"/>
      </cc:Work>
      <cc:License rdf:about="http://web.resource.org/cc/PublicDomain"/>
    </rdf:RDF>
  </metadata>
  <title>not this one</title>
</svg>
"""
METADATA = {"creator": "A. Painter", "licence": "public domain"}


def svg(title="", tags=(), description=""):
    return SVG.format(title=title, description=description, tags="".join(f"<rdf:li>{tag}</rdf:li>" for tag in tags))


@pytest.fixture
def add(tmp_path):
    """Adds one picture and its SVG to the tree in ``tmp_path``."""

    def add(identifier, content):
        for tree, data in (("png", "picture"), ("svg", content)):
            path = tmp_path / tree / f"{identifier}.{tree}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if data is not None:
                path.write_text(data)

    return add


def test_rows_follow_the_rules(add, tmp_path):
    add("unsorted/pear_01", svg("A  pear &amp; more", ("Fruit", "green", "a Pear &amp; more", "GREEN"), "ripe"))
    add("unsorted/apfel.", svg("Apfel", ("apple",)))  # no label of the list
    add("signs_and_symbols/flags/x", svg("flag of x", ("europe",), "Flag of X"))
    add("unsorted/star_01", svg("gramastar 5", ("sign",)))
    assert list(openclipart(tmp_path)) == [
        Record(
            "signs_and_symbols/flags/x",
            str(tmp_path / "png/signs_and_symbols/flags/x.png"),
            texts=("flag of x. europe",),
            labels=("flag", "sign"),
            splits=("database", "train"),
            metadata={"title": "flag of x", **METADATA},
        ),
        Record(
            "unsorted/pear_01",
            str(tmp_path / "png/unsorted/pear_01.png"),
            texts=("A pear & more. Fruit, green. ripe",),
            labels=("fruit",),
            splits=("database", "train"),
            metadata={"title": "A pear & more", **METADATA},
        ),
    ]


def test_the_split_is_the_first_byte_of_the_hash(add, tmp_path):
    for number in range(60):
        add(f"food/{number}", svg("food"))
    rows = list(openclipart(tmp_path))
    for row in rows:
        below = int(hashlib.sha256(row.id.encode()).hexdigest()[:2], 16) < 26
        assert row.splits == (("query",) if below else ("database", "train"))
    assert {row.splits for row in rows} == {("query",), ("database", "train")}


def test_linked_pictures_are_rows_of_their_own(add, tmp_path):
    add("food/cake", svg("cake"))
    for tree in ("png", "svg"):
        (tmp_path / tree / "people").mkdir()
        (tmp_path / tree / "people" / f"cake.{tree}").symlink_to(f"../food/cake.{tree}")
    assert [(row.id, row.labels) for row in openclipart(tmp_path)] == [
        ("food/cake", ("food",)),
        ("people/cake", ("people",)),
    ]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param(svg("cut", ("food",))[:500], id="cut off"),
        pytest.param("not XML", id="no XML"),
        pytest.param('<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>', id="entity bomb"),
        pytest.param(f'<!DOCTYPE x [<!ENTITY a "{"a" * 5000}">]><x>&a;</x>', id="long entity"),
    ],
)
def test_a_broken_svg_leaves_the_labels_of_its_folders(content, add, tmp_path, caplog):
    add("food/cake", content)
    add("unsorted/cake", content)
    (tmp_path / "svg").mkdir(exist_ok=True)
    with caplog.at_level(logging.WARNING):
        rows = list(openclipart(tmp_path))
    assert [(row.id, row.texts, row.labels) for row in rows] == [("food/cake", (), ("food",))]
    assert [record.getMessage().count("cake.svg") for record in caplog.records] == [1, 1]


def test_reading_stops_after_the_metadata(tmp_path):
    path = tmp_path / "x.svg"
    path.write_text(svg("house", ("building",), "a\n  house").replace("<title>not this one", "<broken </"))
    assert read_svg_metadata(path) == SvgMetadata(
        "house", ("building",), "a house", "A. Painter", "http://web.resource.org/cc/PublicDomain"
    )


def test_short_entities_are_read_and_nothing_outside_is_loaded(tmp_path):
    (tmp_path / "secret").write_text("secret")
    head = f'<!DOCTYPE svg [<!ENTITY ns "short"><!ENTITY out SYSTEM "file://{tmp_path}/secret">]>\n<svg'
    path = tmp_path / "x.svg"
    path.write_text(svg("&ns; &out;").replace("<svg", head, 1))
    assert read_svg_metadata(path).title == "short"


def test_metadata_without_end_is_refused(tmp_path):
    path = tmp_path / "x.svg"
    path.write_text(svg("x" * 200_000))
    with pytest.raises(InputError, match="more than 100,000 characters"):
        read_svg_metadata(path)


def test_an_svg_without_metadata_has_none(tmp_path):
    path = tmp_path / "x.svg"
    path.write_text("<svg><title>x</title></svg>")
    assert read_svg_metadata(path) == SvgMetadata()


def test_the_manifest_reads_back(add, tmp_path):
    add("food/cake", svg("cake", ("dessert",)))
    rows = list(DATASETS["openclipart"](tmp_path))
    write_manifest(tmp_path / "manifest.csv", rows)
    assert list(read_manifest(tmp_path / "manifest.csv")) == rows


@pytest.mark.parametrize("tree", ["png", "svg"])
def test_a_missing_tree_is_named(tree, add, tmp_path):
    add("food/cake", svg("cake"))
    (tmp_path / tree).rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"no folder {tree}/"):
        list(openclipart(tmp_path))
