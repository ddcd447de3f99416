"""AVIF: boxes within boxes; what is no picture is an item of its own, named in a table."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from milvus_hash.media.containers.contents import Contents

_METADATA = (b"Exif", b"mime")  # XMP is an item of a MIME type
_UNKNOWN = b"skip"


def contents(data: bytes, every_frame: bool) -> Contents:
    """Rename the items that are metadata, so that nothing reads them. Its orientation is a property of the picture."""
    patched = bytearray(data)
    for name, begin, end in _boxes(data, 0, len(data)):
        for inner, table, stop in _boxes(data, begin + 4, end) if name == b"meta" else ():
            if inner != b"iinf" or table + 4 > stop:
                continue
            first = table + (6 if data[table] == 0 else 8)  # version and flags, then how many there are
            for entry, at, _ in _boxes(data, first, stop):
                where = at + 4 + (4 if data[at : at + 1] == b"\2" else 6)  # version and flags, id, protection
                if entry == b"infe" and data[where : where + 4] in _METADATA:
                    patched[where : where + 4] = _UNKNOWN
    return Contents(bytes(patched), "AVIF")


def _boxes(data: bytes, at: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of what is in each box between ``at`` and ``stop``."""
    while at + 8 <= stop:
        length, name = struct.unpack_from(">I4s", data, at)
        begin = at + 8
        if length == 1 and at + 16 <= stop:
            (length,) = struct.unpack_from(">Q", data, begin)
            begin += 8
        end = at + length if length else stop
        if (length and length < begin - at) or end > stop:
            return
        yield name, begin, end
        at = end
