"""An ingest that is interrupted or killed, and run again, leaves exactly what an undisturbed one leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from milvus_hash.collection import HashCollection

ROOT = Path(__file__).parents[2]
PICTURES, ROWS = 20, 300
SIZE = 500  # large pictures: encoding them takes a few seconds on any machine
MARK = 120  # the row whose picture is missing: its line among the rejects says that half of the pictures are done
# The command, writing five times a second instead of once in five seconds; a file says that Milvus has some rows.
COMMAND = """
import os
from pathlib import Path
from milvus_hash import collection
from milvus_hash.cli import main
from milvus_hash.ingest import pipeline

def write(rows, width, declared, send, *, at_once, write=collection.write):
    def sending(batch):
        send(batch)
        Path(os.environ["WRITTEN"]).touch()
    return write(rows, width, declared, sending, at_once=at_once)

collection.write = write
pipeline._WRITE_AFTER = 0.2
main()
"""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        picture = Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8))
        picture.save(folder / f"{number}.png", compress_level=0)
    path = folder / "manifest.jsonl"
    with path.open("w") as file:
        for number in range(ROWS):
            image = "gone.png" if number == MARK else f"{number % PICTURES}.png"
            row = {"id": item(number), "image": image, "text": "a red bus", "number": number}
            file.write(json.dumps(row) + "\n")
    return path


def item(number: int) -> str:
    return f"item '{number}'"


class Run:
    """One ``milvus-hash ingest`` in a process of its own."""

    def __init__(self, manifest: Path, bundle: Path, uri: Path, *flags: str) -> None:
        self.log = uri.with_suffix(".log")
        self.rejects = uri.with_suffix(".jsonl")
        self.written = uri.with_suffix(".written")
        command = [sys.executable, "-c", COMMAND, "ingest", str(manifest), "--bundle", str(bundle)]
        command += ["--uri", str(uri), "--threads", "1", "--rejects", str(self.rejects), *flags]
        with self.log.open("w") as file:
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "WRITTEN": str(self.written)}
            self.process = subprocess.Popen(command, stderr=file, stdout=file, env=environment, start_new_session=True)

    def wait_for_the_mark(self) -> None:
        deadline = time.monotonic() + 60
        while not (self.rejects.exists() and self.written.exists()):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def finish(self) -> tuple[int, str]:
        return self.process.wait(timeout=120), self.log.read_text()


def stored(uri: Path, encoder) -> dict[tuple[str, str, int], tuple[bytes, int]]:
    with HashCollection.open("milvus_hash", encoder, uri=str(uri)) as collection:
        rows = [row for n in range(0, ROWS, 20) for row in collection.get([item(n + k) for k in range(20)])]
        assert collection.count() == len(rows)
    return {(row.item, row.modality, row.ordinal): (bytes(row.code), row.fields["number"]) for row in rows}


@pytest.fixture(scope="module")
def undisturbed(manifest, tiny_bundle, tiny_encoder, tmp_path_factory):
    uri = tmp_path_factory.mktemp("undisturbed") / "whole.db"
    code, log = Run(manifest, tiny_bundle, uri).finish()
    assert code == 3, log  # one bad picture
    rows = stored(uri, tiny_encoder)
    assert len(rows) == 2 * ROWS - 1
    return rows


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_goes_on(number, manifest, tiny_bundle, tiny_encoder, undisturbed, tmp_path):
    uri = tmp_path / "own.db"
    first = Run(manifest, tiny_bundle, uri)
    first.wait_for_the_mark()
    os.killpg(first.process.pid, number)  # as a terminal does: to the server of Milvus Lite, too
    code, log = first.finish()
    assert code == 128 + number, log
    assert "run the same command with --resume" in log
    written = int(re.search(r"([\d,]+) rows written", log)[1].replace(",", ""))
    assert len(stored(uri, tiny_encoder)) == written
    assert MARK - 32 <= written < 2 * ROWS - 1
    second = Run(manifest, tiny_bundle, uri, "--resume")
    code, log = second.finish()
    assert code == 3, log
    assert f"{2 * ROWS - 1 - written:,} rows written, {written:,} skipped, 1 rejected" in log
    assert stored(uri, tiny_encoder) == undisturbed
    assert [json.loads(line)["id"] for line in second.rejects.read_text().splitlines()] == [item(MARK)]


def test_a_killed_run_goes_on(manifest, tiny_bundle, tiny_encoder, undisturbed, tmp_path):
    uri = tmp_path / "own.db"
    first = Run(manifest, tiny_bundle, uri)
    first.wait_for_the_mark()
    first.process.kill()
    assert first.finish()[0] == -signal.SIGKILL
    survived = stored(uri, tiny_encoder)
    assert 0 < len(survived) < 2 * ROWS - 1
    code, log = Run(manifest, tiny_bundle, uri, "--resume").finish()
    assert code == 3, log
    assert f"{len(survived):,} skipped, 1 rejected" in log
    assert stored(uri, tiny_encoder) == undisturbed
