"""The rejects file: one JSON line per input that could not be used, written as it happens."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from types import TracebackType

from milvus_hash.errors import InputError
from milvus_hash.record import Reject

try:
    import fcntl
except ImportError:  # not on Windows, where two runs at a time have to name two files
    fcntl = None  # type: ignore[assignment]


class RejectsFile:
    """Lines ``{"id", "path", "reason"}`` in a file that belongs to one run, or to several at the same time.

    Lines of an earlier run are removed at the start, unless another run is still writing: then both append, each line
    whole. The file is created by the first reject, and every line is on disk before the next input is read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "rejects.jsonl"
        >>> with RejectsFile(path) as rejects:
        ...     rejects(Reject("7", "7.png", "7.png is empty (0 bytes)"))
        >>> path.read_text().splitlines()
        ['{"id": "7", "path": "7.png", "reason": "7.png is empty (0 bytes)"}']
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.count = 0
        self._file: int | None = None

    def __enter__(self) -> RejectsFile:
        """Remove the lines of an earlier run.

        Raises:
            InputError: The file cannot be written.
        """
        try:
            if self.path.exists():
                self._open(anew=True)
            elif not os.access(self.path.parent, os.W_OK | os.X_OK):
                raise InputError(f"rejects cannot be written to {self.path}: no folder to write to; name another")
        except OSError as error:
            raise self._failed(error) from error
        return self

    def __call__(self, reject: Reject) -> None:
        """Append one line.

        Raises:
            InputError: The file cannot be written.
        """
        line = {"id": reject.id, "path": reject.path, "reason": reject.reason}
        text = json.dumps(line, ensure_ascii=False, default=str) + "\n"
        data = text.encode(errors="backslashreplace")
        try:
            file = self._open(anew=False) if self._file is None else self._file
            while data:  # at once, unless the disk is full or it is no file
                data = data[os.write(file, data) :]
        except OSError as error:
            raise self._failed(error) from error
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)

    def _open(self, *, anew: bool) -> int:
        """Open the file to append to, ``anew`` without its lines if no other run has it, and hold it."""
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        if anew and stat.S_ISREG(os.fstat(self._file).st_mode) and _locks(self._file, "LOCK_EX", "LOCK_NB"):
            os.ftruncate(self._file, 0)
        _locks(self._file, "LOCK_SH")
        return self._file

    def _failed(self, error: OSError) -> InputError:
        return InputError(f"rejects cannot be written to {self.path}: {error.strerror}; name another")


def _locks(file: int, *how: str) -> bool:
    """Lock the file; False if another run has it, True also where there are no locks."""
    try:
        if fcntl is not None:
            fcntl.flock(file, sum(getattr(fcntl, name) for name in how))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True
