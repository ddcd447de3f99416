"""TIFF: directories of tags, of which the first describes the picture."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from milvus_hash.media import orientation
from milvus_hash.media.containers.contents import Contents, check_parts

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _STRIPS, _SAMPLES, _ROWS = 256, 257, 258, 262, 273, 277, 278
_TILE_WIDTH, _TILE_HEIGHT, _FORMAT, _XMP, _ORIENTATION = 322, 323, 339, 700, 274
_SINGLE = frozenset({_WIDTH, _HEIGHT, 259, _PHOTOMETRIC, 266, _SAMPLES, _ROWS, 284, 317, _TILE_WIDTH, _TILE_HEIGHT})
_KEPT = _SINGLE | {_BITS, _STRIPS, 279, 292, 293, 320, 324, 325, 338, _FORMAT, 347, *range(512, 522), *range(529, 533)}
_UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_MOST_SAMPLES = 8  # of a pixel; Pillow takes six


def contents(data: bytes, every_frame: bool) -> Contents:
    """Keep the tags of the first directory that say how the pixels are stored; later directories are left out."""
    directory = _read(data)
    number = directory.number
    width, height = number(_WIDTH), number(_HEIGHT)
    samples = number(_SAMPLES, 1)
    if samples > _MOST_SAMPLES:
        raise ValueError(f"{samples} samples a pixel")
    bits = samples * number(_BITS, 1)
    tile = number(_TILE_WIDTH) * number(_TILE_HEIGHT)
    rows = min(number(_ROWS, height), height)
    deep = number(_BITS, 1) >= 16
    turned = number(_ORIENTATION, 1)
    return Contents(
        directory.without_metadata(),
        "TIFF",
        (width, height),
        turned if 2 <= turned <= 8 else orientation.find(None, directory.value(_XMP)),
        extra=(tile or width * rows) * bits // 8,
        inverted=deep and number(_PHOTOMETRIC, 1) == 0,  # smaller ones Pillow inverts itself
        unsigned=number(_BITS, 1) == 32 and number(_FORMAT, 1) == 1,
    )


@dataclass(frozen=True, slots=True)
class _Directory:
    """The first directory: where it lies in ``data``, and its entries (type, count, 4 or 8 bytes) by tag."""

    data: bytes
    at: int
    order: str
    big: bool
    entries: dict[int, tuple[int, int, bytes]]

    def value(self, tag: int) -> bytes | None:
        """The bytes of a tag; None where it is missing, or points out of the file."""
        if tag not in self.entries:
            return None
        kind, count, inline = self.entries[tag]
        size = count * _UNITS.get(kind, 0)
        if size <= len(inline):
            return inline[:size]
        (at,) = struct.unpack(self.order + ("Q" if self.big else "I"), inline)
        return self.data[at : at + size] if at + size <= len(self.data) else None

    def number(self, tag: int, default: int = 0) -> int:
        """The first number of a tag."""
        value = self.value(tag)
        code = _NUMBERS.get(self.entries[tag][0]) if value else None
        return int(struct.unpack_from(self.order + code, value)[0]) if value and code else default

    def without_metadata(self) -> bytes:
        """The file with a shorter directory in the place of this one."""
        entry = struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))
        kept = []
        for tag, (kind, count, inline) in sorted(self.entries.items()):
            value = self.value(tag)
            if tag not in _KEPT or not value:
                continue
            check_parts(range(count))
            if tag in _SINGLE and count > 1:
                count, inline = 1, value[: _UNITS[kind]].ljust(len(inline), b"\0")
            kept.append(entry.pack(tag, kind, count, inline))
        length = struct.pack(self.order + ("Q" if self.big else "H"), len(kept))
        table = b"".join([length, *kept, bytes(8 if self.big else 4)])  # no directory comes next
        view = memoryview(self.data)
        return b"".join([view[: self.at], table, view[self.at + len(table) :]])


def _read(data: bytes) -> _Directory:
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    begin = at + (8 if big else 2)
    entries: dict[int, tuple[int, int, bytes]] = {}
    for where in range(begin, min(begin + count * entry.size, len(data) - entry.size + 1), entry.size):
        tag, *rest = entry.unpack_from(data, where)
        entries.setdefault(tag, tuple(rest))
    return _Directory(data, at, order, big, entries)
