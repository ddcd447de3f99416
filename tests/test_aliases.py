"""An alias moves only to a collection that holds what it should; Milvus Lite 2 has none."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from plain_pymilvus import plain_client
from which_lite import IS_THREE, only_lite_2

from milvus_hash.aliases import Switch, list_aliases, switch_alias
from milvus_hash.cli.alias import command
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import BundleMismatch, StoreError
from milvus_hash.store.connection import Connection


def rows(count: int, modality: str = "image", seed: int = 0, start: int = 0) -> list[CodeRow]:
    codes = np.random.default_rng(seed).integers(0, 256, (count, 8), dtype=np.uint8)
    return [CodeRow(f"{n:04}", modality, 0, code) for n, code in enumerate(codes, start)]


@pytest.fixture(scope="module", params=["server_uri", *(["lite_uri"] if IS_THREE else [])])
def uri(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def client(uri):
    client = plain_client(uri)
    yield client
    client.close()


@pytest.fixture
def switch(uri):
    def switch(alias: str, **options: object) -> Switch:
        return switch_alias(alias, uri=uri, timeout=30, **options)

    return switch


@pytest.fixture
def aliases(uri):
    return lambda: list_aliases(uri=uri)


@pytest.fixture(scope="module")
def stores(uri, tiny_encoder, other_encoder):
    """Collections of the old bundle and of the new one: ``first``, ``second``, a short one and one of other items."""
    contents = {
        "first": (tiny_encoder, [*rows(300), *rows(40, "text")]),
        "second": (other_encoder, [*rows(300, seed=1), *rows(41, "text", seed=1)]),
        "short": (other_encoder, rows(299, seed=1)),
        "others": (other_encoder, [*rows(300, seed=1, start=7), *rows(40, "text")]),
    }
    made = {}
    for name, (encoder, content) in contents.items():
        made[name] = HashCollection.create(name, encoder, uri=uri, timeout=60)
        made[name].add_codes(content)
    yield made
    for collection in made.values():
        collection.drop()


@pytest.fixture
def alias(client, stores):
    """An alias of the first collection."""
    client.create_alias(collection_name="first", alias="current")
    yield "current"
    client.drop_alias("current")


def test_a_switch_to_a_new_bundle(switch, aliases, alias, tiny_encoder, other_encoder, uri):
    """What was opened before goes on with the old codes; what is opened after it has the new ones."""
    with HashCollection.open(alias, tiny_encoder, uri=uri) as opened:
        done = switch(alias, to="second", encoder=other_encoder)
        assert (done.alias, done.collection, done.before) == ("current", "second", "first")
        assert done.rows == {"image": 300, "text": 41}
        assert done.rows_before == {"image": 300, "text": 40}
        assert done.problems == ()
        assert aliases() == {"current": "second"}
        assert opened.count("text") == 40
        asked = rows(1)[0]
        assert opened.search(code=asked.code, limit=1)[0].distance == 0
    with pytest.raises(BundleMismatch, match="'current' holds codes of bundle other"):
        HashCollection.open(alias, tiny_encoder, uri=uri)
    with HashCollection.open(alias, other_encoder, uri=uri) as opened:
        assert (opened.name, opened.count("text")) == ("second", 41)
    back = switch(alias, to="first", encoder=tiny_encoder, at_least={"image": 300})
    assert (back.collection, back.before, back.rows_before) == ("first", "second", {})
    again = switch(alias, to="first", encoder=tiny_encoder)
    assert (again.before, again.rows) == ("first", {"image": 300, "text": 40})


def test_a_new_alias(switch, aliases, client, stores, tiny_encoder):
    done = switch("fresh", to="first", encoder=tiny_encoder)
    try:
        assert (done.before, done.rows_before) == (None, {})
        assert aliases()["fresh"] == "first"
    finally:
        client.drop_alias("fresh")


@pytest.mark.parametrize(
    ("to", "message"),
    [
        pytest.param("short", r"299 image rows of 300 in 'first'; it has 0 text rows of 40", id="rows"),
        pytest.param("others", r"7 of 240 rows looked for are not there, such as '0000#image#0'", id="items"),
    ],
)
def test_missing_rows_stop_the_switch(switch, aliases, alias, other_encoder, to, message):
    with pytest.raises(StoreError, match=message):
        switch(alias, to=to, encoder=other_encoder)
    assert aliases()[alias] == "first"
    done = switch(alias, to=to, encoder=other_encoder, force=True)
    assert len(done.problems) >= 1
    assert aliases()[alias] == to


def test_rows_asked_for_replace_those_of_the_old_one(switch, alias, other_encoder):
    with pytest.raises(StoreError, match=r"299 image rows of 1,000 asked for"):
        switch(alias, to="short", encoder=other_encoder, at_least={"image": 1000})
    assert switch(alias, to="short", encoder=other_encoder, at_least={"image": 200}).problems == ()


def test_an_old_one_that_cannot_be_compared(switch, client, alias, other_encoder, uri):
    """Not loaded, as a retired collection may be: the rows to expect must then be said."""
    if uri.endswith(".db"):
        pytest.skip("Milvus Lite loads what is asked for")
    client.release_collection("first")
    try:
        with pytest.raises(StoreError, match=r"'first' could not be compared .*not loaded.*at_least"):
            switch(alias, to="second", encoder=other_encoder)
        switch(alias, to="second", encoder=other_encoder, at_least={"image": 300})
    finally:
        client.load_collection("first")


def test_codes_that_are_not_found(switch, alias, other_encoder, monkeypatch):
    """A search that gives other rows than it should: no index of a real server does."""
    call = Connection.call

    def astray(self: Connection, doing: str, method: str, *args: object, **kwargs: object) -> object:
        if method == "search":
            kwargs["data"] = [bytes(255 - byte for byte in code) for code in kwargs["data"]]
        return call(self, doing, method, *args, **kwargs)

    monkeypatch.setattr(Connection, "call", astray)
    with pytest.raises(StoreError, match="200 of 200 image rows looked for are not found by their own codes"):
        switch(alias, to="second", encoder=other_encoder)


def test_what_force_does_not_help(switch, aliases, alias, tiny_encoder, other_encoder):
    def refused(name: str, to: str, encoder: object, message: str, kind: type = StoreError) -> None:
        with pytest.raises(kind, match=message):
            switch(name, to=to, encoder=encoder, force=True)

    refused(alias, "second", tiny_encoder, "distances between them mean nothing", BundleMismatch)
    refused(alias, "nowhere", tiny_encoder, "there is no collection 'nowhere'")
    refused("second", "first", tiny_encoder, "'second' is a collection, and an alias needs a name of its own")
    refused("another", alias, tiny_encoder, "'current' is an alias itself, of 'first'")
    assert aliases() == {"current": "first"}


def test_one_that_is_not_loaded_is_loaded(switch, client, alias, other_encoder):
    client.release_collection("second")
    switch(alias, to="second", encoder=other_encoder)
    assert client.get_load_state("second")["state"].name == "Loaded"


@only_lite_2
def test_milvus_lite_2_has_none(lite_store, tiny_encoder):
    collection, uri = lite_store.create(), lite_store.uri
    message = "Milvus Lite 2, which has no aliases: have applications open"
    with pytest.raises(StoreError, match=message):
        list_aliases(uri=uri)
    with pytest.raises(StoreError, match=message):
        switch_alias("a", to=collection.name, encoder=tiny_encoder, uri=uri)


def run(*arguments: object) -> tuple[int, list[dict], str]:
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_the_command(uri, alias, other_encoder):
    where = ["--uri", uri, "--bundle", other_encoder.bundle.path]
    assert run("--uri", uri) == (0, [{"alias": "current", "collection": "first"}], "")
    assert run("nothing", "--uri", uri) == (0, [], "")
    code, (row,), remarks = run(alias, "--to", "short", "--at-least", "image=250", *where)
    assert code == 0
    assert (row["collection"], row["before"], row["rows"]) == ("short", "first", {"image": 299})
    assert remarks == "first is still there; drop it by its name once nothing asks it any more\n"
    code, (row,), remarks = run(alias, "--to", "others", "--at-least", "image=500", "--force", *where)
    assert (code, row["collection"]) == (0, "others")
    assert remarks.startswith("overridden: it has 300 image rows of 500 asked for\n")
    assert run(alias, "--to", "second", "--quiet", *where)[2] == ""


@pytest.mark.parametrize(
    "arguments", [["--to", "a"], ["--force"], ["a", "--at-least", "image"], ["a", "--to", "b", "--at-least", "sound=1"]]
)
def test_wrong_usage(arguments):
    assert run(*arguments, "--uri", "http://127.0.0.1:1")[0] == 2
