"""PNG and animated PNG: a row of chunks, each with its length, its name and a checksum."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from milvus_hash.media import orientation
from milvus_hash.media.containers.contents import BreaksOff, Contents, check_parts

_PIXELS = frozenset({b"IDAT", b"fdAT"})
_GREY, _RGB, _PALETTE = 0, 2, 3
_XMP = b"XML:com.adobe.xmp"
_PROFILES = (b"Raw profile type exif", b"Raw profile type APP1")  # as ImageMagick wrote EXIF before PNG had a chunk
_MOST_METADATA = 1 << 20  # bytes of one unpacked text in which an orientation is looked for


def contents(data: bytes, every_frame: bool) -> Contents:
    """Keep header, palette, transparency and pixels, and the frames of an animation if they are asked for."""
    kept: list[bytes | memoryview] = [data[:8]]
    exif = xmp = None
    header = stated = b""
    durations: list[float] = []
    seen_pixels = stand_in = cut_off = False
    for name, part, raw in _chunks(data):
        cut_off = len(raw) != len(part) + 12
        body = b"" if name in _PIXELS else bytes(part)
        if name == b"IHDR" and not header:
            header = body
        elif name == b"PLTE" or name == b"tRNS":
            kept.append(_colours(name, body, raw, header))
            continue
        elif name == b"IDAT":
            seen_pixels = True
        elif name == b"acTL" and every_frame and not stated and len(body) >= 8 and any(body[:4]):
            stated = body
        elif name == b"fcTL" and stated:
            stand_in = stand_in or (seen_pixels and not durations)
            durations.append(_duration(body))
        elif name not in _PIXELS or not stated:
            exif = _exif(name, body) if exif is None else exif  # the first that there is: unpacking takes time
            xmp = _text(body) if xmp is None and name == b"iTXt" and body.startswith(_XMP) else xmp
            continue
        kept.append(raw)
        check_parts(kept)
    if stated and len(durations) != struct.unpack(">I", stated[:4])[0]:
        raise BreaksOff(len(durations) - cut_off)
    return Contents(
        b"".join(kept if cut_off else [*kept, _chunk(b"IEND", b"")]),
        "PNG",
        struct.unpack_from(">II", header),
        orientation.find(exif, xmp),
        durations=tuple(durations) if len(durations) > 1 or stand_in else (),
        stand_in=stand_in,
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """Name, body and raw bytes of each chunk; pixels that are cut off are there as far as they go, nothing else is."""
    view = memoryview(data)
    at = 8
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if name == b"IEND" or not name.isalpha():
            return
        if end > len(data) and name not in _PIXELS:
            return
        yield name, view[at + 8 : end - 4], view[at:end]
        at = end


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _colours(name: bytes, body: bytes, raw: memoryview, header: bytes) -> bytes | memoryview:
    """A palette, if there is to be one; which colour is transparent, in the depth that Pillow decodes to."""
    depth, kind = header[8:10] if len(header) >= 10 else (8, _RGB)
    if name == b"PLTE":
        return raw if kind == _PALETTE else b""
    if raw != _chunk(name, body):
        return b""  # damaged, so it says nothing
    if kind == _PALETTE:
        return raw if len(body) <= 256 else b""
    if len(body) != {_GREY: 2, _RGB: 6}.get(kind):
        return b""
    values = struct.unpack(f">{len(body) // 2}H", body)
    if kind == _RGB and depth == 16:
        values = tuple(value >> 8 for value in values)
    elif depth in (2, 4):
        values = tuple(value * 255 // ((1 << depth) - 1) for value in values)
    return _chunk(name, struct.pack(f">{len(values)}H", *(min(value, 65535) for value in values)))


def _duration(control: bytes) -> float:
    numerator, denominator = struct.unpack_from(">HH", control, 20)
    return 1000 * float(numerator) / (denominator or 100)


def _exif(name: bytes, body: bytes) -> bytes | None:
    if name == b"eXIf":
        return body
    if name in (b"zTXt", b"tEXt") and body.startswith(_PROFILES):
        text = _unpack(body.partition(b"\0")[2][1:]) if name == b"zTXt" else body.partition(b"\0")[2]
        try:
            return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:]))  # after its name and its length
        except ValueError:
            return b""
    return None


def _text(body: bytes) -> bytes:
    """The text of an ``iTXt``: keyword, whether and how it is packed, language, translated keyword, text."""
    _, _, rest = body.partition(b"\0")
    text = rest[2:].split(b"\0", 2)[-1]
    return _unpack(text) if rest[:1] == b"\1" else text


def _unpack(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, _MOST_METADATA)
    except zlib.error:
        return b""
