"""A float collection in many segments that others write to, and what adopting it in the meantime comes to.

What is in the source is read by key, of all keys that :class:`ChangingSource` ever wrote; it knows what it wrote, too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from float_collection import FloatCollection, clustered
from milvus_server import Server
from pymilvus import MilvusException

from milvus_hash.adopt import Changes, adopt, sync
from milvus_hash.encoder import Encoder
from milvus_hash.errors import StoreError

Key = int | str
NO_COMPACTION = {"DATACOORD_ENABLECOMPACTION": "false"}
"""Of a server on which segments stay as many as they are."""

_KEYS_PER_CALL = 500


class ChangingSource(FloatCollection):
    """A collection in ``segments`` sealed segments with interleaved keys, and a growing one.

    Attributes:
        rows: What it holds: vector and price by key.
    """

    def __init__(self, uri: str, rng: np.random.Generator, *, rows: int, segments: int, text_keys: bool) -> None:
        super().__init__(uri, text_keys=text_keys)
        self.rows: dict[Key, tuple[np.ndarray, int]] = {}
        self.ever: set[Key] = set()
        self._rng = rng
        self._vectors = clustered(4096, seed=int(rng.integers(1000)))
        numbers = rng.permutation(rows * 10)[:rows].tolist()
        self._key: Callable[[int], Key] = (lambda number: f'k"{number:x}\n') if text_keys else int
        for part in range(segments):
            self.write(numbers[part::segments])
            self.client.flush(self.name)
        self.write(rng.integers(rows * 10, size=rows // 20).tolist())
        self.erase(rows // 20)

    def write(self, numbers: list[int]) -> None:
        """Rows for these numbers, which replace others of the same keys."""
        new = {self._key(number): (self._vectors[self._rng.integers(4096)], number % 1000) for number in numbers}
        vectors = np.stack([vector for vector, _ in new.values()])
        self.ever |= new.keys()
        _until_done(lambda: self.put(list(new), vectors, [price for _, price in new.values()]))
        self.rows |= new

    def erase(self, count: int) -> None:
        """Delete rows at random."""
        known = sorted(self.rows)
        gone = [known[place] for place in self._rng.choice(len(known), min(count, len(known)), replace=False)]
        _until_done(lambda: self.delete(gone))
        for key in gone:
            del self.rows[key]

    def change(self) -> None:
        """Write some rows, delete some, sometimes seal what is there."""
        self.write(self._rng.integers(10 * len(self.rows) + 10, size=20).tolist())
        self.erase(15)
        if self._rng.random() < 0.1:
            with suppress(MilvusException):  # after a kill 2.3.5 may wait for ever for a segment
                self.client.flush(self.name, timeout=30)

    def read(self, name: str, fields: list[str]) -> dict[Key, tuple[Any, ...]]:
        """All rows of a collection that have a key which was ever written, asked for by their keys.

        Milvus 2.3.5 may leave rows out of an answer, so keys are asked for again until none of them has a row.
        """
        keys = sorted(self.ever)
        found: dict[Key, tuple[Any, ...]] = {}
        for start in range(0, len(keys), _KEYS_PER_CALL):
            left = keys[start : start + _KEYS_PER_CALL]
            while left:
                answer = self.client.query(
                    name,
                    filter=f"id in [{', '.join(map(_written, left))}]",
                    output_fields=["id", *fields],
                    consistency_level="Strong",
                )
                found |= {row["id"]: tuple(row[field] for field in fields) for row in answer}
                left = [key for key in left if key not in found] if answer else []
        return found

    def differences(self, encoder: Encoder) -> tuple[list[str], int]:
        """What is not in the sidecar as the source has it, and how many rows of the source are not as written.

        Milvus 2.3 loses deletions that it had confirmed when it is killed (milvus-io/milvus#19074, #33015). So what the
        sidecar is to equal is the source as Milvus has it, read here by key and not by a walk. Where it has brought an
        old row back beside the new one, either may be in an answer, and in the sidecar.
        """
        source, sidecar = self.read(self.name, ["vector", "price"]), self.read(self.codes, ["code", "price"])
        keys = sorted(source)
        vectors = np.stack([np.float32(source[key][0]) for key in keys])
        codes = encoder.encode_vectors(vectors)
        lost = len(source.keys() ^ self.rows.keys())
        wrong = [f"missing: {key!r}" for key in source.keys() - sidecar.keys()]
        wrong += [f"left over: {key!r}" for key in sidecar.keys() - source.keys()]
        for key, code in zip(keys, codes, strict=True):
            if key in sidecar and sidecar[key] != ([code.tobytes()], source[key][1]):
                if self.count(key) == 1:
                    wrong.append(f"another code or price: {key!r}")
                else:
                    lost += 1
        counted = self.client.query(self.codes, filter="", output_fields=["count(*)"], consistency_level="Strong")
        if counted[0]["count(*)"] != len(keys):
            wrong.append(f"rows: {counted[0]['count(*)']} of {len(keys)}")
        for key, vector in zip(keys, vectors, strict=True):
            lost += key in self.rows and not np.array_equal(vector, self.rows[key][0])
        return wrong, lost

    def count(self, key: Key) -> int:
        """How many rows Milvus has of a key."""
        asked = {"filter": f"id == {_written(key)}", "output_fields": ["count(*)"], "consistency_level": "Strong"}
        return int(self.client.query(self.name, **asked)[0]["count(*)"])

    def delete(self, keys: list[Key]) -> None:
        self.client.delete(self.name, filter=f"id in [{', '.join(map(_written, keys))}]")


def _written(key: Key) -> str:
    if isinstance(key, int):
        return str(key)
    escaped = key.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _until_done(call: Callable[[], object]) -> None:
    """Whatever a restart of the server does to it; writing the same rows again is safe."""
    deadline = time.monotonic() + 240
    while True:
        try:
            call()
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


@contextmanager
def _meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Do ``work`` again and again in a thread."""
    end = threading.Event()
    errors: list[BaseException] = []

    def loop() -> None:
        try:
            while not end.is_set():
                work()
                end.wait(0.05)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        if errors:
            raise errors[0]


def adopt_while_it_changes(
    server: Server, source: ChangingSource, bundle_path: Path, encoder: Encoder, rng: np.random.Generator, restarts: int
) -> tuple[Changes, list[str], int]:
    """Adopt, then sync as often as the server is killed and started again, while others write.

    Returns:
        What a last sync changed in the end, once all was quiet and had been synced; what is not in the sidecar as the
        source has it; how many rows of the source Milvus has lost or brought back.
    """

    def restart() -> None:
        time.sleep(float(rng.uniform(0, 2)))
        server.kill()
        server.start()

    def once() -> None:
        adopt(source.name, "vector", collection=source.codes, bundle_path=bundle_path, fields=["price"], uri=server.uri)

    with _meanwhile(source.change):
        for _ in range(restarts):
            killer = threading.Thread(target=restart)
            killer.start()
            with suppress(StoreError):
                once()
            killer.join()
            _until_adopted(once)
        _until_adopted(once)
    _until_adopted(lambda: sync(source.codes, encoder, uri=server.uri))
    return (sync(source.codes, encoder, uri=server.uri), *source.differences(encoder))


def _until_adopted(call: Callable[[], object]) -> None:
    deadline = time.monotonic() + 240
    while True:
        try:
            call()
        except StoreError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return
