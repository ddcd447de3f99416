"""The files of a bundle, read with a bound: a bundle may have been sent by anyone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from milvus_hash.errors import BundleError

MOST_BYTES = (1 << 31) - 1  # of a graph: no ONNX file is larger, as protobuf's messages are not
_NAME = re.compile(r"[^./\\:\x00-\x1f][^/\\:\x00-\x1f]{0,199}")  # of a file in this very folder, on any system


def is_name(name: object) -> bool:
    """Whether ``name`` can be the name of a file in a bundle.

    Example:
        >>> is_name("image.onnx"), is_name("../image.onnx"), is_name("")
        (True, False, False)
    """
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def read_file(file: Path, most: int = MOST_BYTES) -> bytes:
    """The content of ``file``.

    Raises:
        BundleError: It is missing, empty, no regular file, longer than ``most`` bytes, or cannot be read.
    """
    with _opened(file, most) as (stream, size):
        return stream.read(size + 1)  # one that grows meanwhile is read no further


def sha256_of(file: Path) -> str:
    """The sha256 of ``file`` in hex, in little memory.

    Raises:
        BundleError: As :func:`read_file`.
    """
    digest = hashlib.sha256()
    with _opened(file, MOST_BYTES) as (stream, _):
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _opened(file: Path, most: int) -> Iterator[tuple[BinaryIO, int]]:
    """``file``, open, and its size."""
    try:
        state = file.stat()
        if not S_ISREG(state.st_mode):
            raise BundleError(f"{file} is no regular file; copy the bundle again")
        if not 0 < state.st_size <= most:
            raise BundleError(f"{file} has {state.st_size:,} bytes; 1 to {most:,} are read: copy the bundle again")
        with file.open("rb") as stream:
            yield stream, state.st_size
    except FileNotFoundError as error:
        raise BundleError(f"{file} is missing from the bundle; copy the bundle again") from error
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        raise BundleError(f"{str(file)!r} cannot be read ({error}); copy the bundle again") from error
