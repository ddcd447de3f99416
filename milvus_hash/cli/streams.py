"""stdout and stderr that cannot break a run: closed, full, left by their reader, or in a codec that lacks a character.

What cannot be written is dropped, so that the work itself is finished; whoever loses data on stdout is told at the end.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Patient(io.RawIOBase):
    """A descriptor to write to until that fails, and that takes everything from then on.

    Attributes:
        failure: What failed, or None.
    """

    def __init__(self, descriptor: int) -> None:
        self._file = open(descriptor, "wb", buffering=0)  # noqa: SIM115 (a descriptor; the process closes it)
        self.failure: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return self._file.isatty()

    def write(self, data: ReadableBuffer, /) -> int:
        """Take ``data``, or a part of it; where the descriptor does not block, wait for room."""
        while self.failure is None:
            try:
                written = self._file.write(data)
                if written is not None:
                    return written
                select.select([], [self._file], [])
            except OSError as error:
                self.failure = error
        return memoryview(data).nbytes


class Streams:
    """stdout and stderr of a process of its own, in place of those that Python opened.

    stdout is for data alone: its descriptor becomes a private one, and number 1 leads to stderr, where the remarks of
    C libraries and of child processes belong.
    """

    def __init__(self) -> None:
        _open_closed_descriptors()
        self._stdout = _Patient(os.dup(1))
        os.dup2(2, 1)
        sys.stdout = _text(self._stdout, sys.stdout, errors="replace")
        sys.__stdout__ = sys.stdout  # type: ignore[misc]  # get_terminal_size() asks this one
        sys.stderr = _text(_Patient(os.dup(2)), sys.stderr, errors="backslashreplace")

    def finish(self) -> str:
        """Write what is waiting; why data was lost, or nothing. That the reader had enough is not a loss."""
        sys.stdout.flush()
        failure = self._stdout.failure
        return "" if failure is None or failure.errno == errno.EPIPE else failure.strerror or str(failure)


def _text(raw: _Patient, old: TextIO | None, *, errors: str) -> io.TextIOWrapper[io.BufferedWriter]:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=old.encoding if old else "utf-8",
        errors=errors,
        line_buffering=raw.isatty() or errors == "backslashreplace",
    )


def _open_closed_descriptors() -> None:
    """Let no file or socket become descriptor 0, 1 or 2, into which a library may write."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
