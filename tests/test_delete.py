"""Rows that are deleted are gone, and no others: by item, by filter, by both, on every backend."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from milvus_hash.cli import main
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import InputError, StoreError

ITEMS = ["it's", 'say "hi"', "a#b#text#7", "100%25 _", "rose 🌹", "a", "ab"]


def rows(modalities: tuple[str, ...] = ("image", "text"), ordinals: int = 2) -> list[CodeRow]:
    return [
        CodeRow(item, modality, ordinal, bytes([number] * 8), {"number": number, "text": item})
        for number, item in enumerate(ITEMS)
        for modality in modalities
        for ordinal in range(ordinals)
    ]


def left(collection: HashCollection) -> list[tuple[str, str, int]]:
    return [(row.item, row.modality, row.ordinal) for row in collection.get(ITEMS)]


def keys(some: list[CodeRow]) -> list[tuple[str, str, int]]:
    return sorted((row.item, row.modality, row.ordinal) for row in some)


@pytest.mark.parametrize("item", ITEMS)
def test_an_item_goes_with_all_its_rows_and_alone(flat_store, item):
    collection = flat_store.create()
    collection.add_codes(rows())
    assert collection.delete([item, "nowhere", item]) == 4
    assert left(collection) == keys([row for row in rows() if row.item != item])
    assert collection.delete([item]) == 0
    assert collection.count() == 4 * (len(ITEMS) - 1)


def test_of_one_modality_and_by_filter(store):
    collection = store.create(fields={"number": int})
    collection.add_codes(rows())
    collection.flush()
    assert collection.delete(["a", "ab"], modality="text") == 4
    assert collection.delete(filter="number < 2") == 8
    assert collection.delete(["rose 🌹", "a"], filter='text == "a"') == 2
    expected = [
        row for row in rows() if row.fields["number"] >= 2 and (row.item not in ("a", "ab") or row.modality == "image")
    ]
    expected = [row for row in expected if row.item != "a"]
    assert left(collection) == keys(expected)
    assert {hit.item for hit in collection.search(code=bytes(8), into=None, limit=100)} == {
        row.item for row in expected
    }
    assert collection.delete(filter="number >= 0", modality="video") == 0
    collection.add_codes(rows())
    assert collection.count() == len(rows())


def test_many_rows_in_several_segments(server_uri, tiny_encoder):
    with HashCollection.create("deleted_many", tiny_encoder, uri=server_uri, timeout=60) as collection:
        codes = np.random.default_rng(0).integers(0, 256, (30_000, 8), dtype=np.uint8)
        for part in range(3):
            numbers = range(part, 30_000, 3)
            collection.add_codes(CodeRow(f"i{n}", "image", 0, codes[n], {"n": n}) for n in numbers)
            if part < 2:
                collection.flush()
        collection.add_codes(CodeRow(f"i{n}", "image", 0, codes[n], {"n": n}) for n in range(5000))  # once more
        assert collection.delete(filter="n % 2 == 0") == 15_000
        assert collection.count() == 15_000
        assert collection.delete([f"i{n}" for n in range(100)]) == 50
        assert collection.count(filter="n < 100") == 0
        collection.drop()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "which rows"),
        ({"filter": "  "}, "which rows"),
        ({"items": "a"}, r"\['a'\]"),
        ({"items": [7]}, "an id is a text"),
        ({"items": ["a"], "modality": "sound"}, "sound"),
        ({"filter": "year > (3"}, "parenthesis"),
    ],
)
def test_what_cannot_be_used_deletes_nothing(empty_collection, wrong, message):
    with pytest.raises(InputError, match=message):
        empty_collection.delete(**wrong)


def test_rows_that_stay_are_said(lite_store, monkeypatch):
    """Milvus Lite swallows the errors of a full disk; here its answer is withheld from it."""
    collection = lite_store.create()
    collection.add_codes(rows())
    call = collection.table.connection.call

    def deaf(doing: str, method: str, *args, **kwargs):
        return {} if method == "delete" else call(doing, method, *args, **kwargs)

    monkeypatch.setattr(collection.table.connection, "call", deaf)
    with pytest.raises(StoreError, match="4 rows are there again; is the disk full"):
        collection.delete(["a"])


def test_the_command(flat_store):
    collection = flat_store.create("deleted_by_command")
    collection.add_codes(rows())

    def run(*words: str) -> tuple[int, list[dict], str]:
        done = CliRunner().invoke(main, ["delete", *words, "-c", collection.name, "--uri", flat_store.uri])
        return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    code, found, said = run("a", "it's", "--dry-run")
    assert (code, found) == (0, [{"collection": collection.name, "rows": 8, "deleted": False}])
    assert "nothing was deleted" in said
    assert collection.count() == len(rows())
    assert run("a", "it's")[1] == [{"collection": collection.name, "rows": 8, "deleted": True}]
    assert run("--filter", "number == 1", "--modality", "image")[1][0]["rows"] == 2
    assert run("nowhere")[:2] == (0, [{"collection": collection.name, "rows": 0, "deleted": True}])
    assert run()[0] == 2
    assert collection.count() == len(rows()) - 10
