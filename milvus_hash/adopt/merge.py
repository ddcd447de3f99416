"""The sidecar brought up to its source: both are walked in the order of their keys, and differences written.

There is no journal: what is in the two collections is compared, so a walk that was interrupted is simply walked again.
While one page is compared and encoded, the next is being read and the last one written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from milvus_hash.adopt.sidecar import Sidecar
from milvus_hash.adopt.source import Chunk, Source, ahead, pages, walk
from milvus_hash.media.vector import LARGEST
from milvus_hash.query.filters import one_of
from milvus_hash.query.stored import as_bytes
from milvus_hash.query.target import CODE, Key
from milvus_hash.record import Reject
from milvus_hash.store.connection import Connection
from milvus_hash.store.writer import upsert

if TYPE_CHECKING:
    from milvus_hash.encoder import Encoder

_AT_ONCE = 2  # batches on their way: pymilvus packs one while Milvus stores the other
_BYTES_PER_CALL = 16_000_000
_ROWS_PER_CALL = 10_000

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a sync did to the sidecar.

    Attributes:
        added: Rows that are new in the source.
        changed: Rows whose code or copied fields are others now.
        deleted: Rows that are gone from the source, or whose vector no code can be made of any more.
        unchanged: Rows that were right.
        rejected: Rows of the source that no code can be made of; they have no row in the sidecar.
    """

    added: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    rejected: int = 0


class Merge:
    """One walk over a source and its sidecar.

    Args:
        connection: To Milvus.
        source: Where vectors come from.
        sidecar: Where codes go.
        encoder: Makes codes of vectors.
        progress: Called with the number of rows of the source that were settled.
        on_reject: Called with every row that no code can be made of: its key and the reason.
        stop: Asked before each page; once it says true, the walk ends with what is written by then.
    """

    def __init__(
        self,
        connection: Connection,
        source: Source,
        sidecar: Sidecar,
        encoder: Encoder,
        *,
        progress: Callable[[int], None] | None = None,
        on_reject: Callable[[Reject], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        self._connection = connection
        self._source = source
        self._sidecar = sidecar
        self._encoder = encoder
        self._progress = progress or (lambda rows: None)
        self._on_reject = on_reject or (lambda reject: None)
        self._stop = stop or (lambda: False)
        self._counts = dict.fromkeys(Changes.__dataclass_fields__, 0)
        self._level = "Strong"  # of the sidecar's first read; nobody else writes to it

    def run(self) -> Changes:
        """Walk to the end, or until told to stop.

        Raises:
            StoreError: Milvus failed; what was confirmed is there, and another walk goes on.
        """
        last: Key | None = None
        chunks = walk(self._connection, self._source, fields=self._sidecar.adopted.fields, texts=self._sidecar.texts)
        with _Writer(self._connection, self._sidecar) as writer:
            for chunk in ahead(chunks):
                if self._stop():
                    return Changes(**self._counts)
                self._settle(chunk, last, chunk.keys[-1], writer)
                last = chunk.keys[-1]
                self._progress(len(chunk.keys))
            self._delete_rest(last, writer)
        return Changes(**self._counts)

    def _settle(self, chunk: Chunk, above: Key | None, up_to: Key, writer: _Writer) -> None:
        """Make the sidecar's rows between two keys those of ``chunk``."""
        wanted = self._rows(chunk)
        stored: set[Key] = set()
        for page in self._stored(above, up_to):
            gone = []
            for row in page:
                key = row[self._source.pk]
                new = wanted.get(key)
                if new is None:
                    gone.append(key)
                    continue
                stored.add(key)
                if _same(row, new):
                    self._counts["unchanged"] += 1
                    del wanted[key]
            self._counts["deleted"] += len(gone)
            writer.delete(gone)
        changed = sum(key in stored for key in wanted)
        self._counts["changed"] += changed
        self._counts["added"] += len(wanted) - changed
        writer.upsert(list(wanted.values()))

    def _delete_rest(self, last: Key | None, writer: _Writer) -> None:
        """Delete what the sidecar has beyond the source's last key."""
        for page in self._stored(last, None):
            gone = [row[self._source.pk] for row in page]
            self._counts["deleted"] += len(gone)
            writer.delete(gone)

    def _stored(self, above: Key | None, up_to: Key | None) -> Iterator[list[Row]]:
        sidecar = self._sidecar
        for page in pages(
            self._connection,
            sidecar.name,
            self._source.pk,
            [self._source.pk, CODE, *sidecar.adopted.fields],
            row_bytes=sidecar.made_by.bits // 8,
            texts=sidecar.texts,
            above=above,
            up_to=up_to,
            consistency=self._level,
        ):
            self._level = "Session"
            yield page
        self._level = "Session"

    def _rows(self, chunk: Chunk) -> dict[Key, Row]:
        """The sidecar's rows for a chunk, by key; vectors that no code can be made of are reported."""
        good, rejects = usable(chunk, self._source.metric, lite=self._connection.lite)
        self._counts["rejected"] += len(rejects)
        for reject in rejects:
            self._on_reject(reject)
        codes = self._encoder.encode_vectors(good.vectors, bits=self._sidecar.made_by.bits)
        return {
            key: {self._source.pk: key, CODE: code.tobytes(), **fields}
            for key, code, fields in zip(good.keys, codes, good.fields, strict=True)
        }


def usable(chunk: Chunk, metric: str, *, lite: bool = False) -> tuple[Chunk, list[Reject]]:
    """The rows of a chunk that codes can be made of, and the others with the reason.

    Args:
        chunk: Rows of a source.
        metric: Of its vectors: by COSINE a vector of zeros has no neighbours.
        lite: Whether the codes go to Milvus Lite, which cannot write every key.
    """
    largest = np.abs(chunk.vectors).max(axis=1, initial=0).tolist()  # NaN where any number is
    good: list[int] = []
    rejects: list[Reject] = []
    for number, (key, value) in enumerate(zip(chunk.keys, largest, strict=True)):
        if not value <= LARGEST:
            reason = f"the vector is missing, or holds NaN or a number beyond {LARGEST:g}"
            rejects.append(Reject(str(key), "", reason))
        elif value == 0 and metric == "COSINE":
            rejects.append(Reject(str(key), "", "the vector is all zeros, which has no direction to compare by COSINE"))
        elif lite and isinstance(key, str) and "'" in key:
            reason = "the key has a single quote, which Milvus Lite would read as SQL: use a server"
            rejects.append(Reject(key, "", reason))
        else:
            good.append(number)
    if not rejects:
        return chunk, rejects
    return Chunk([chunk.keys[n] for n in good], chunk.vectors[good], [chunk.fields[n] for n in good]), rejects


def _same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return all((as_bytes(old[name]) if name == CODE else old[name]) == value for name, value in new.items())


class _Writer:
    """Writes to the sidecar from threads of its own; no two calls concern the same key."""

    def __init__(self, connection: Connection, sidecar: Sidecar) -> None:
        self._connection = connection
        self._sidecar = sidecar
        self._at_once = 1 if connection.lite else _AT_ONCE
        self._pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="milvus-write")
        self._on_the_way: deque[Future[Any]] = deque()

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for what is on its way; an error of a write is raised unless another one is already."""
        try:
            while self._on_the_way and kind is None:
                self._on_the_way.popleft().result()
        finally:
            self._pool.shutdown(wait=True)

    def upsert(self, rows: list[Row]) -> None:
        """Write rows, in as many calls as their texts need."""
        seen = sum(len(str(row[text])) for row in rows for text in self._sidecar.texts)
        row_bytes = self._sidecar.made_by.bits // 8 + 64 + 4 * seen // max(1, len(rows))
        step = max(1, min(_ROWS_PER_CALL, _BYTES_PER_CALL // row_bytes))
        for start in range(0, len(rows), step):
            self._send(
                upsert, self._connection, self._sidecar.name, rows[start : start + step], key=self._sidecar.adopted.pk
            )

    def delete(self, keys: list[Key]) -> None:
        """Delete rows by key."""
        for start in range(0, len(keys), _ROWS_PER_CALL):
            some = one_of(self._sidecar.adopted.pk, keys[start : start + _ROWS_PER_CALL])
            name = self._sidecar.name
            self._send(self._connection.call, f"deleting from {name!r}", "delete", name, filter=some)

    def _send(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (of any call)
        if len(self._on_the_way) >= self._at_once:
            self._on_the_way.popleft().result()
        self._on_the_way.append(self._pool.submit(call, *args, **kwargs))
