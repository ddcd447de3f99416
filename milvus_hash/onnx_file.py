"""What an ONNX file may not hold, looked for in its bytes: the onnx package is no dependency of serving.

An ONNX file is a protobuf message. Only the way to nodes and tensors is followed; weights are stepped over. Refused
is what reads other files (tensors with external data, which the fingerprint does not cover), and what can run
without end on a small input: loops, and functions, which nest like entities of XML.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from milvus_hash.errors import BundleError

_Field: TypeAlias = tuple[int, int | memoryview]

# Of onnx.proto: for each message the numbers of the fields that lead on, and to which message.
_LEADS: dict[str, dict[int, str]] = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_BODIES = (6, 11)  # of an attribute: graphs
# Fields that are looked at themselves.
_OPERATOR = 4  # of a node: the name of its operator
_FUNCTIONS = 25  # of a model
_EXTERNAL = (13, 14)  # of a tensor: where else its values are
_LOOKED_AT = {"node": {_OPERATOR}, "model": {_FUNCTIONS}, "tensor": set(_EXTERNAL)}
_WANTED = {message: frozenset({*leads, *_LOOKED_AT.get(message, ())}) for message, leads in _LEADS.items()}
_DEEPEST = 100  # messages within messages, as protobuf's own limit


def check_onnx(data: bytes, name: str) -> None:
    """Refuse the ONNX file ``data``, called ``name`` in messages, if it is not self-contained or can run for ever.

    Raises:
        BundleError: It is no ONNX file, or holds external tensors, functions, or an operator with a body other than
            ``If`` (``Loop``, ``Scan``).
    """
    try:
        _check("model", memoryview(data), _DEEPEST)
    except (IndexError, ValueError) as error:
        raise BundleError(f"{name} is not an ONNX graph ({error}); export the model again") from error
    except _Refused as error:
        raise BundleError(f"{name} {error}") from None


class _Refused(Exception):
    pass


def _check(message: str, data: memoryview, left: int) -> bool:
    """Look through a message and those below it; says whether it is an attribute with a body."""
    if not left:
        raise ValueError("nested too deep")
    leads = _LEADS[message]
    operator, bodies = b"", False
    for number, value in _fields(data, _WANTED[message]):
        if message == "model" and number == _FUNCTIONS:
            raise _Refused("has local functions; inline them (onnx.inliner) and write the bundle again")
        if message == "tensor" and number in _EXTERNAL and value:
            raise _Refused("keeps tensors in other files; save it as one file and write the bundle again")
        if isinstance(value, int):
            continue
        if message == "node" and number == _OPERATOR:
            operator = bytes(value)
        elif number in leads:
            bodies |= _check(leads[number], value, left - 1) or (message == "attribute" and number in _BODIES)
    if message == "node" and bodies and operator != b"If":
        raise _Refused(
            f"has the operator {operator.decode(errors='replace')!r:.40}, which may run for ever; of the operators "
            "with bodies only If is run"
        )
    return bodies and message == "attribute"


def _fields(data: memoryview, wanted: frozenset[int]) -> Iterator[_Field]:
    """Numbers and values of the ``wanted`` fields of a message: integers, and views of what has a length."""
    at, end = 0, len(data)
    while at < end:
        key, at = (data[at], at + 1) if data[at] < 128 else _varint(data, at)  # nearly all are short
        number, kind = key >> 3, key & 7
        if kind == 2:
            size, at = (data[at], at + 1) if data[at] < 128 else _varint(data, at)
            if size > end - at:
                raise ValueError("it ends early")
            if number in wanted:
                yield number, data[at : at + size]
            at += size
        elif kind == 0:
            value, at = _varint(data, at)
            if number in wanted:
                yield number, value
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError("a field of no type")
        if key >> 32 or not number:
            raise ValueError("a field of no number")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number at ``at``, seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number too long")
