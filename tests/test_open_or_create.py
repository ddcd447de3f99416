"""A collection that is opened where it is there and made where it is not, by several processes at once too."""

from __future__ import annotations

import subprocess
import sys

import pytest

from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import BundleMismatch, InputError, StoreError, Unsettled
from milvus_hash.store.making import settled

WORKERS = 6
WORKER = """
import sys
from milvus_hash import CodeRow, Encoder, HashCollection

bundle, name, uri, number = sys.argv[1:]
encoder = Encoder.load(bundle, threads=1)
with HashCollection.open_or_create(name, encoder, uri=uri, fields={"year": int}, timeout=120) as collection:
    collection.add_codes([CodeRow(f"worker{number}", "text", 0, bytes(8))])
"""


def test_it_is_made_once_and_opened_then(flat_store, tiny_encoder):
    name = f"opened_or_created_{flat_store.create().name}"
    options = {"uri": flat_store.uri, "fields": {"year": int}, "bits": 32, "timeout": 60}
    with HashCollection.open_or_create(name, tiny_encoder, **options) as made:
        made.add_codes([CodeRow("a", "text", 0, bytes(4))])
    with HashCollection.open_or_create(name, tiny_encoder, **options, index="BIN_FLAT") as opened:
        assert (opened.bits, opened.fields, opened.count()) == (32, {"year": int}, 1)
    with HashCollection.open_or_create(name, tiny_encoder, uri=flat_store.uri) as opened:
        assert opened.bits == 32
        opened.drop()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"bits": 32}, "has bits 64, not 32; leave bits out"),
        ({"index": "BIN_IVF_FLAT"}, "has index 'BIN_FLAT', not 'BIN_IVF_FLAT'"),
        ({"fields": {"year": str}}, "has fields"),
    ],
)
def test_what_is_there_is_what_was_asked_for(server_uri, tiny_encoder, other, message):
    name = "opened_as_it_is"
    where = {"uri": server_uri, "timeout": 60}
    HashCollection.open_or_create(name, tiny_encoder, **where, index="BIN_FLAT").close()
    with pytest.raises(InputError, match=message):
        HashCollection.open_or_create(name, tiny_encoder, **where, **other)


def test_codes_of_another_bundle(lite_store, other_encoder):
    collection = lite_store.create()
    with pytest.raises(BundleMismatch):
        HashCollection.open_or_create(collection.name, other_encoder, uri=lite_store.uri)


def test_processes_that_start_together(server_uri, tiny_encoder):
    name = "opened_together"
    command = [sys.executable, "-c", WORKER, str(tiny_encoder.bundle.path), name, server_uri]
    workers = [subprocess.Popen([*command, str(n)], stderr=subprocess.PIPE, text=True) for n in range(WORKERS)]
    said = [worker.communicate()[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * WORKERS, said
    with HashCollection.open(name, tiny_encoder, uri=server_uri, timeout=60) as collection:
        assert collection.count() == WORKERS
        collection.drop()


def test_what_stays_unfinished_is_raised_in_the_end():
    tries = []

    def never() -> None:
        tries.append(1)
        raise Unsettled("still being made")

    with pytest.raises(Unsettled, match="still being made"):
        settled(never, 0.5)
    assert len(tries) > 1

    def refused() -> None:
        tries.clear()
        raise StoreError("no")

    with pytest.raises(StoreError, match="no"):
        settled(refused, 5)
    assert not tries
