"""Rows of a JSON Lines file; one broken line costs one row."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from itertools import count
from typing import IO, Any

from milvus_hash.manifest.line import TOO_LONG, Line, Unreadable, read_line

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_json_lines(file: IO[bytes]) -> Iterator[Line]:
    """The rows of ``file`` in order; lines without anything on them are none.

    Bytes are read, so that bad UTF-8 ends with its line. A mark at the start of any line is left out: files that were
    put together with ``cat`` have some.

    Raises:
        Unreadable: It is UTF-16, or has a line without end.
    """
    for number in count(1):
        raw = read_line(file, (b"\n",))
        if raw is None:
            yield Line(number, error=TOO_LONG)
            continue
        if not raw:
            return
        if number == 1 and raw.startswith(UTF_16):
            raise Unreadable("it is UTF-16; save it as UTF-8")
        try:
            text = raw.decode("utf-8-sig").strip()
            if not text:
                continue
            cells = json.loads(text, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            yield Line(number, error=f"not a line of JSON in UTF-8: {error}")
            continue
        if isinstance(cells, dict):
            yield Line(number, cells)
        else:
            yield Line(number, error=f"holds a JSON {type(cells).__name__}; one object a line is needed")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same name twice")
    return found
