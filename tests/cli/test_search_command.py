"""``milvus-hash search``: questions of several parts, radii, rescoring, groups and pages."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from milvus_hash.cli.search import command
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.encoder import Encoder

TEXTS = ["red", "a red rose", "blue", "a blue bus", "a cat", "a dog", "the house"]


@pytest.fixture(scope="module")
def words(lite_uri: str, tiny_encoder: Encoder) -> Iterator[HashCollection]:
    """Each text twice, as two rows of one item."""
    with HashCollection.create("words", tiny_encoder, uri=lite_uri, bits=64) as collection:
        codes = tiny_encoder.encode_texts(TEXTS)
        collection.add_codes(
            CodeRow(text, "text", n, code, {"text": text})
            for text, code in zip(TEXTS, codes, strict=True)
            for n in (0, 1)
        )
        yield collection
        collection.drop()


def run(collection: HashCollection, *arguments: object) -> Result:
    where = ["--uri", collection.uri, "-c", collection.name, "-b", collection.encoder.bundle.path, "--into", "text"]
    return CliRunner().invoke(command, [str(argument) for argument in (*where, *arguments)])


def rows(done: Result) -> list[dict]:
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def same(found: list[dict], hits: list) -> bool:
    return [(row["item"], row["ordinal"], row["distance"], row["score"]) for row in found] == [
        (hit.item, hit.ordinal, hit.distance, hit.score) for hit in hits
    ]


def test_parts_together_are_one_question(words, tmp_path):
    Image.new("RGB", (9, 9), "red").save(tmp_path / "red.png")
    found = rows(
        run(words, "-t", "a cat", "-t", "a dog", "-i", tmp_path / "red.png", "--without", "blue", "--together")
    )
    asked = {"text": ["a cat", "a dog", ("blue", -0.5)], "image": [tmp_path / "red.png"]}
    assert same(found, words.search(**asked, into="text"))
    assert found[0]["query"] == {"text": ["a cat", "a dog"], "image": [str(tmp_path / "red.png")], "without": ["blue"]}
    assert [row["rank"] for row in found] == list(range(1, 11))


def test_every_question_goes_without(words):
    found = rows(run(words, "-t", "a cat", "-t", "a dog", "--without", "red", "-n", "3"))
    for number, text in enumerate(("a cat", "a dog")):
        some = found[3 * number : 3 * number + 3]
        assert same(some, words.search(text=[text, ("red", -0.5)], into="text", limit=3))
        assert all(row["query"] == {"text": [text], "without": ["red"]} for row in some)


def test_a_radius(words):
    found = rows(run(words, "-t", "red", "--radius", 0))
    assert [(row["item"], row["ordinal"], row["distance"]) for row in found] == [("red", 0, 0), ("red", 1, 0)]
    assert same(rows(run(words, "-t", "red", "--radius", 64)), words.within(64, text="red", into="text"))
    done = run(words, "-t", "red", "--radius", 65)
    assert "from 0 to 64" in str(done.exception)


def test_how_hits_are_chosen(words):
    for options, arguments in (
        (["--limit", 4, "--offset", 3], {"limit": 4, "offset": 3}),
        (["--rescore", "--oversample", 2, "-n", 3], {"limit": 3, "rescore": True, "oversample": 2}),
        (["--by-item"], {"by_item": True}),
        (["--complete", "-n", 1], {"limit": 1, "complete": True}),
    ):
        found = rows(run(words, "-t", "a rose", *options))
        assert same(found, words.search(text="a rose", into="text", **arguments))
        assert found
    assert [row["item"] for row in rows(run(words, "-t", "blue", "--by-item", "-n", 1))] == ["blue"]
    assert len(rows(run(words, "-t", "blue", "--complete", "-n", 1))) == 2


def test_a_sheet_names_all_parts(words, tmp_path):
    sheet = tmp_path / "sheet.html"
    rows(run(words, "-t", "a cat", "-t", "a dog", "--without", "blue", "--together", "--sheet", sheet))
    assert "a cat + a dog - blue" in sheet.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--together"], "ask something"),
        (["--without", "red"], "ask something"),
        (["-t", "a", "--radius", "3", "--limit", "5"], "leave out --limit"),
        (["-t", "a", "--radius", "3", "--rescore", "--by-item"], "leave out --rescore, --by-item"),
        (["-t", "a", "--radius", "-1"], "-1 is not in the range"),
        (["-t", "a", "--oversample", "3"], "--oversample goes with --rescore"),
        (["-t", "a", "--rescore", "--oversample", "0"], "0 is not in the range"),
        (["-t", "a", "--offset", "-1"], "-1 is not in the range"),
    ],
)
def test_options_that_make_no_sense(words, arguments, message):
    done = run(words, *arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "remark"),
    [
        pytest.param(
            ["-t", "red", "--into", "image"],
            "no image rows in collection 'words'; it has 14 text rows: --into text",
            id="modality",
        ),
        pytest.param(
            ["-t", "red", "-t", "blue", "--into", "image", "--filter", 'text == "red"'],
            "no image rows in collection 'words'; it has 14 text rows: --into text",
            id="modality, with a filter",
        ),
        pytest.param(
            ["-t", "red", "--filter", 'text == "pink"'],
            "the filter 'text == \"pink\"' leaves none of the 14 text rows of 'words'",
            id="filter",
        ),
        pytest.param(
            ["-t", "tree", "--radius", 1],
            "none of 14 text rows is within distance 1; look further with a larger --radius",
            id="radius",
        ),
        pytest.param(
            ["-t", "red", "--filter", 'text == "a cat"', "--radius", 0],
            "none of 2 text rows is within distance 0; look further with a larger --radius",
            id="radius and filter",
        ),
        pytest.param(["-t", "red", "--offset", 14], "--offset 14 leaves out all of 14 text rows", id="offset"),
        pytest.param(["-t", "red", "-t", "tree", "--radius", 0], "1 of 2 questions found nothing", id="one of two"),
    ],
)
def test_a_question_that_finds_nothing_says_why(words, arguments, remark):
    done = run(words, *arguments)
    assert (done.exit_code, done.stderr) == (0, f"{remark}\n")
    assert run(words, *arguments, "--quiet").stderr == ""


def test_an_empty_collection_is_said_to_be_empty(empty_collection):
    done = run(empty_collection, "-t", "red")
    assert (done.exit_code, done.stderr) == (0, f"collection {empty_collection.name!r} has no rows\n")
