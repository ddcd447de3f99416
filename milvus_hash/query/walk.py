"""Rows of a collection, however many: all of them in the order of their keys, or those of given keys.

What Milvus answers depends on its version. A limited query need not give the least keys; what makes it do so,
``reduce_stop_for_best``, ends a page where the rows of one segment end, and lets another be many times longer than
its limit; some versions leave rows out between the keys of a page, above all where keys repeat. Milvus Lite cuts an
answer without a limit at 16,383 rows in silence. So:

- A walk is over when no row is left above the last key, and not at a short page.
- Milvus counts what lies between the keys of a page. Where it counts more, that range is asked for once more, without
  a limit.
- Pages grow and shrink with the bytes that the last one had, and an answer that Milvus refuses to send is asked for
  in parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from milvus_hash.errors import AnswerTooLarge, StoreError
from milvus_hash.query.filters import both
from milvus_hash.query.quoting import between, is_quotable, one_of, quoted
from milvus_hash.query.scope import MAX_LIMIT
from milvus_hash.store import limits
from milvus_hash.store.call import Call, Steps
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.target import Key

Entity = dict[str, Any]
"""A row as a query gives it: its key and the fields that were asked for."""

_GROWTH = 4  # times more rows in the next page
_IN_ORDER = {"iterator": "True", "reduce_stop_for_best": "True"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of which rows.

    Attributes:
        name: Of the collection.
        pk: Name of its primary key.
        lite: Whether it lives in Milvus Lite.
        output_fields: What to read of a row; the key comes in any case.
        sizes: Bytes of those fields whose size is known, by name; others are measured as they come.
        where: A condition that rows must meet.
        doing: What the reading is for, as the message of an error should begin.
    """

    name: str
    pk: str
    lite: bool
    output_fields: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    where: str = ""
    doing: str = "reading"

    def query(self, condition: str, **options: Any) -> Call:  # noqa: ANN401 (arguments of a query)
        """The rows that meet a condition, too."""
        arguments = {
            "collection_name": self.name,
            "filter": both(condition, self.where),
            "output_fields": list(dict.fromkeys([self.pk, *self.output_fields])),
            "strict_float32": True,
            **options,
        }
        return Call(f"{self.doing} {self.name!r}", "query", arguments)

    def count(self, condition: str) -> Call:
        """How many these are; it need not be newer than the page that it is about."""
        counting = {"output_fields": ["count(*)"], "consistency_level": "Session"}
        arguments = {"collection_name": self.name, "filter": both(condition, self.where), **counting}
        return Call(f"counting rows of {self.name!r}", "query", arguments, read=False)

    @property
    def known_bytes(self) -> int:
        """Of a row, without the fields whose size is unknown."""
        return limits.ROW_BYTES + sum(self.sizes.values())

    def measure(self, page: Sequence[Entity]) -> int:
        """Bytes of some rows."""
        texts = (str(value) for row in page for name, value in row.items() if name not in self.sizes)
        return self.known_bytes * len(page) + sum(len(text) * (1 if text.isascii() else 4) for text in texts)

    def first_rows(self) -> int:
        """How many rows to ask for where none has been seen."""
        most = (limits.LITE_BYTES if self.lite else limits.FIRST_BYTES) // self.known_bytes
        return max(1, min(most, MAX_LIMIT if set(self.output_fields) <= self.sizes.keys() else limits.FIRST_ROWS))

    def next_rows(self, asked: int, page: Sequence[Entity]) -> int:
        """How many rows to ask for after a page."""
        fitting = asked * (limits.LITE_BYTES if self.lite else limits.BYTES) // max(1, self.measure(page))
        return max(1, min(fitting, _GROWTH * asked, MAX_LIMIT))


def pages(
    connection: Connection,
    name: str,
    pk: str,
    output_fields: Sequence[str],
    *,
    sizes: Mapping[str, int] | None = None,
    above: Key | None = None,
    up_to: Key | None = None,
    consistency: Consistency | None = None,
) -> Iterator[list[Entity]]:
    """The rows of a collection with ``above < pk <= up_to`` (either may be open), ascending by ``pk``, in pages.

    A row is as it was when its page was read.

    Args:
        connection: To Milvus.
        name: Of the collection.
        pk: Its primary key.
        output_fields: What to read of a row.
        sizes: Bytes of those fields whose size is known, by name; others are measured as they come.
        above: The largest key to leave out.
        up_to: The largest key to read.
        consistency: Of the reads; strong when absent.

    Raises:
        StoreError: Milvus failed.
    """
    reading = Reading(name, pk, connection.lite2, tuple(output_fields), sizes or {})
    page = _Page(above, reading.first_rows())
    while not page.last:
        page = connection.run(_page_after(reading, page, up_to), consistency or Consistency("Strong"))
        if page.rows:
            yield list(page.rows)


def all_rows(reading: Reading) -> Steps[list[Entity]]:
    """All rows that meet the reading's condition, in no order; for some thousands at most.

    Raises:
        StoreError: Milvus failed.
    """
    try:
        found: list[Entity] = yield reading.query("", **({"limit": MAX_LIMIT} if reading.lite else {}))
        if not reading.lite or len(found) < MAX_LIMIT:
            return found
    except AnswerTooLarge:
        pass
    found = []
    yield from each_page(reading, found.extend)
    return found


def each_page(reading: Reading, take: Callable[[Sequence[Entity]], object]) -> Steps[None]:
    """Give ``take`` all rows that meet the reading's condition, ascending by key, in pages.

    Raises:
        StoreError: Milvus failed.
    """
    page = _Page(None, reading.first_rows())
    while not page.last:
        page = yield from _page_after(reading, page, None)
        take(page.rows)


def rows_by_key(reading: Reading, keys: Sequence[Key]) -> Steps[list[Entity]]:
    """The rows with these keys, in no order; unknown keys have none.

    Raises:
        StoreError: Milvus failed.
    """
    most = limits.LITE_BYTES if reading.lite else limits.BYTES
    rows = max(1, min(limits.KEYS_READ, most // reading.known_bytes))
    found: list[Entity] = []
    start = 0
    while start < len(keys):
        some = _fitting(keys[start : start + rows], lite=reading.lite)
        try:
            found += yield reading.query(one_of(reading.pk, some, lite=reading.lite))
            start += len(some)
        except AnswerTooLarge:
            if len(some) == 1:
                raise
            rows = max(1, len(some) // _GROWTH)
    return found


def in_parts(keys: Sequence[Key], most: int, *, lite: bool) -> Iterator[Sequence[Key]]:
    """``keys`` in parts of at most ``most``, none of which makes a filter too long to send."""
    start = 0
    while start < len(keys):
        part = _fitting(keys[start : start + most], lite=lite)
        yield part
        start += len(part)


def _fitting(keys: Sequence[Key], *, lite: bool) -> Sequence[Key]:
    """As many of the first keys as fit into one question, at least one."""
    size = 0
    for number, key in enumerate(keys):
        size += 20 if isinstance(key, int) else len(quoted(key, lite=lite).encode())
        if size > limits.FILTER_BYTES and number:
            return keys[:number]
    return keys


class _Page(NamedTuple):
    """A part of a walk.

    Attributes:
        end: The key up to which all rows have been read; None at the beginning.
        following: How many rows to ask for next.
        rows: Ascending.
        last: Whether none can follow.
    """

    end: Key | None
    following: int
    rows: Sequence[Entity] = ()
    last: bool = False


def _page_after(reading: Reading, before: _Page, up_to: Key | None) -> Steps[_Page]:
    """The rows with the least keys after another page, about as many as that one says."""
    asked = before.following
    while True:
        try:
            rows = yield from _whole(reading, before.end, up_to, asked)
        except AnswerTooLarge:
            if asked == 1:
                raise
            asked = max(1, asked // _GROWTH)
        else:
            break
    following = reading.next_rows(asked, rows)
    named = len(rows)
    while named and not is_quotable(rows[named - 1][reading.pk], lite=reading.lite):
        named -= 1
    if named < len(rows) < asked:  # nothing could be asked for after the last one, nor need it: Milvus Lite is in order
        return _Page(None, following, rows, last=True)
    if rows and not named:
        raise StoreError(f"reading {reading.name!r}: {len(rows)} keys in a row that no filter can name: use a server")
    end = rows[named - 1][reading.pk] if rows else None
    return _Page(end, following, rows[:named], last=end is None or end == up_to)


def _whole(reading: Reading, above: Key | None, up_to: Key | None, limit: int) -> Steps[list[Entity]]:
    """About ``limit`` rows, ascending, with all that there are up to the last of them; empty only where there are none.

    Raises:
        StoreError: Milvus failed, or gives what was not asked for.
    """
    pk, lite = reading.pk, reading.lite
    page = yield reading.query(between(pk, above=above, up_to=up_to, lite=lite), limit=limit, **_IN_ORDER)
    found = {row[pk]: row for row in page}
    last = max(found, key=_rank) if found else up_to
    if not lite:  # which has all in one piece, in order
        whole = between(pk, above=above, up_to=last, lite=lite)
        answer = yield reading.count(whole)
        if int(answer[0]["count(*)"]) > len(found):
            again = yield reading.query(whole, **({} if whole else {"limit": limit}))
            found |= {row[pk]: row for row in again}
    if found and above is not None and _rank(first := min(found, key=_rank)) <= _rank(above):
        raise StoreError(f"reading {reading.name!r}: asked for keys above {above!r}, Milvus gave {first!r}")
    return [found[key] for key in sorted(found, key=_rank)]


def _rank(key: Key) -> tuple[Key]:
    """What compares keys; texts by their code points, which is the order of their bytes, and that of Milvus."""
    return (key,)
