"""Sources that are slow or wait: what came is written, signals are heeded, encoding goes on while Milvus stores."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from milvus_hash.collection import HashCollection
from milvus_hash.ingest import ingest, pipeline
from milvus_hash.record import Record

ROOT = Path(__file__).parents[2]


def record(number: int) -> Record:
    return Record(f"item {number}", texts=("a red bus",))


def test_what_came_is_written_before_the_next_record_comes(lite_store):
    collection = lite_store.create()
    seen = []

    def source():
        yield from (record(0), record(1), None, None)
        deadline = time.monotonic() + 60
        while collection.count() < 2 and time.monotonic() < deadline:
            yield None
        seen.append(collection.count())
        yield record(2)

    assert ingest(source(), collection).written == 3
    assert seen == [2]


def test_a_slow_source_is_written_long_before_a_chunk_is_full(lite_store, monkeypatch):
    monkeypatch.setattr(pipeline, "_ENCODE_AFTER", 0.05)
    monkeypatch.setattr(pipeline, "_WRITE_AFTER", 0.1)
    collection = lite_store.create()
    given = 0

    def source():
        nonlocal given
        deadline = time.monotonic() + 60
        while collection.count() == 0 and time.monotonic() < deadline:
            yield record(given)
            given += 1
            time.sleep(0.02)

    written = ingest(source(), collection).written
    assert written == given < pipeline._CHUNK


def test_encoding_goes_on_while_milvus_stores(lite_store, monkeypatch):
    monkeypatch.setattr(pipeline, "_WRITE_AFTER", 0.0)
    monkeypatch.setattr(pipeline, "_CHUNK", 4)
    collection = lite_store.create()
    storing, encoded = threading.Event(), threading.Event()
    encode = collection.encoder.stream

    def stream(*args: object, **options: object):
        first, *others = encode(*args, **options)
        yield first
        assert storing.wait(60)
        encoded.set()
        yield from others

    def wait(*args: object, **options: object) -> object:
        storing.set()
        assert encoded.wait(60)
        return call(*args, **options)

    call = collection.table.connection.call
    monkeypatch.setattr(collection.encoder, "stream", stream)
    monkeypatch.setattr(collection.table.connection, "call", wait)
    assert ingest(map(record, range(12)), collection).written == 12


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_waits_for_a_pipe_writes_what_came_and_ends(number, tiny_bundle, tiny_encoder, tmp_path):
    pipe, uri = tmp_path / "manifest.jsonl", tmp_path / "own.db"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "milvus_hash", "ingest", str(pipe), "--uri", str(uri), "-b", str(tiny_bundle)]
    process = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
    )
    with pipe.open("w") as feed:
        for row in range(100):
            feed.write(json.dumps({"id": str(row), "text": "a red bus"}) + "\n")
        feed.write(json.dumps({"id": "too long", "text": "a" * 2_000_000}) + "\n")
        feed.flush()
        deadline = time.monotonic() + 60
        while not (tmp_path / "rejects.jsonl").exists():  # then all texts before it have been encoded
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number, stderr
    assert "100 rows written" in stderr
    with HashCollection.open("milvus_hash", tiny_encoder, uri=str(uri)) as collection:
        assert collection.count() == 100
