"""The sidecar brought up to its source: both are walked in the order of their keys, and differences written.

There is no journal: what is in the two collections is compared, so a walk that was interrupted is simply walked again.
No row is deleted before the source was asked for exactly its key.
While one page is compared and encoded, the next is being read and the last one written.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from milvus_hash.adopt.sidecar import Sidecar
from milvus_hash.adopt.source import Chunk, Source, fetch, walk
from milvus_hash.ahead import in_order, one_ahead
from milvus_hash.media.vector import LARGEST
from milvus_hash.query.quoting import is_quotable, one_of
from milvus_hash.query.stored import as_bytes
from milvus_hash.query.walk import Entity, in_parts, pages
from milvus_hash.record import Reject
from milvus_hash.store import limits
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.target import CODE, Key
from milvus_hash.store.writer import upsert

if TYPE_CHECKING:
    from milvus_hash.encoder import Encoder

Writes: TypeAlias = Generator[Callable[[], object], None, None]
"""Calls that change the sidecar, in their order; no two that are near each other concern the same key."""


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
        self._consistency = Consistency()  # of the sidecar's reads; nobody else writes to it

    def run(self) -> Changes:
        """Walk to the end, or until told to stop.

        Raises:
            StoreError: Milvus failed; what was confirmed is there, and another walk goes on.
        """
        together = limits.writes_together(lite=self._connection.lite)
        with (
            closing(self._writes()) as writes,
            closing(in_order(lambda write: write(), writes, threads=together)) as written,
        ):
            for _ in written:
                pass
        return Changes(**self._counts)

    def _writes(self) -> Writes:
        last: Key | None = None
        chunks = walk(self._connection, self._source, fields=self._sidecar.adopted.fields)
        with closing(one_ahead(chunks)) as upcoming:
            for chunk in upcoming:
                if self._stop():
                    return
                named = [key for key in chunk.keys if is_quotable(key, lite=self._connection.lite2)]
                yield from self._settle(chunk, last, named[-1] if named else last)
                last = named[-1] if named else last
                self._progress(len(chunk.keys))
        for page in self._stored(last, None):
            yield from self._settle_others({row[self._source.pk]: row for row in page})

    def _settle(self, chunk: Chunk, above: Key | None, up_to: Key | None) -> Writes:
        """Make the sidecar's rows between two keys those of ``chunk``."""
        wanted, here = self._rows(chunk), set(chunk.keys)
        stored: set[Key] = set()
        for page in self._stored(above, up_to) if up_to != above else ():
            codeless: list[Key] = []
            others: dict[Key, Entity] = {}
            for row in page:
                key = row[self._source.pk]
                if key in wanted:
                    stored.add(key)
                    if _same(row, wanted[key]):
                        self._counts["unchanged"] += 1
                        del wanted[key]
                elif key in here:
                    codeless.append(key)
                else:
                    others[key] = row
            yield from self._delete(codeless)
            yield from self._settle_others(others)
        changed = sum(key in stored for key in wanted)
        self._counts["changed"] += changed
        self._counts["added"] += len(wanted) - changed
        yield from self._upsert(list(wanted.values()))

    def _settle_others(self, stored: Mapping[Key, Entity]) -> Writes:
        """Delete rows of the sidecar whose keys were not met in the source, once it was asked for exactly these."""
        wanted: dict[Key, Entity] = {}
        left = list(stored)
        while left:
            there = fetch(self._connection, self._source, left, fields=self._sidecar.adopted.fields)
            if not there.keys:
                break
            wanted |= self._rows(there)
            left = [key for key in left if key not in set(there.keys)]
        yield from self._delete([key for key in stored if key not in wanted])
        changed = [row for key, row in wanted.items() if not _same(stored[key], row)]
        self._counts["unchanged"] += len(wanted) - len(changed)
        self._counts["changed"] += len(changed)
        yield from self._upsert(changed)

    def _delete(self, keys: list[Key]) -> Writes:
        self._counts["deleted"] += len(keys)
        lite, name = self._connection.lite2, self._sidecar.name
        for part in in_parts(keys, limits.KEYS_DELETED, lite=lite):
            some = one_of(self._sidecar.adopted.pk, part, lite=lite)
            yield partial(self._connection.call, f"deleting from {name!r}", "delete", name, filter=some)

    def _upsert(self, rows: list[Entity]) -> Writes:
        """Write rows, in as many calls as their texts need."""
        pk, texts = self._sidecar.adopted.pk, self._sidecar.texts
        seen = sum(len(str(row[text])) for row in rows for text in (pk, *texts))
        row_bytes = self._sidecar.made_by.bits // 8 + limits.ROW_BYTES + 4 * seen // max(1, len(rows))
        step = max(1, min(limits.ROWS_WRITTEN, limits.BYTES // row_bytes))
        for start in range(0, len(rows), step):
            yield partial(upsert, self._connection, self._sidecar.name, rows[start : start + step], key=pk)

    def _stored(self, above: Key | None, up_to: Key | None) -> Iterator[list[Entity]]:
        return pages(
            self._connection,
            self._sidecar.name,
            self._source.pk,
            [CODE, *self._sidecar.adopted.fields],
            sizes={CODE: self._sidecar.made_by.bits // 8},
            above=above,
            up_to=up_to,
            consistency=self._consistency,
        )

    def _rows(self, chunk: Chunk) -> dict[Key, Entity]:
        """The sidecar's rows for a chunk, by key; vectors that no code can be made of are reported."""
        good, rejects = usable(chunk, self._source.metric, lite=self._connection.lite2)
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
        elif not is_quotable(key, lite=lite):
            reason = "the key has a carriage return, which no filter of Milvus Lite can name: use a server"
            rejects.append(Reject(str(key), "", reason))
        else:
            good.append(number)
    if not rejects:
        return chunk, rejects
    return Chunk([chunk.keys[n] for n in good], chunk.vectors[good], [chunk.fields[n] for n in good]), rejects


def _same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return all((as_bytes(old[name]) if name == CODE else old[name]) == value for name, value in new.items())
