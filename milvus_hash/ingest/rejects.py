"""The rejects file: one JSON line per input that could not be used, written as it happens."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import IO

from milvus_hash.errors import InputError
from milvus_hash.record import Reject


class RejectsFile:
    """Lines ``{"id", "path", "reason"}`` in a file that belongs to one run.

    Lines of an earlier run are removed at the start. The file is created by the first reject, and every line is
    on disk before the next input is read.

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
        self._file: IO[str] | None = None

    def __enter__(self) -> RejectsFile:
        """Remove the lines of an earlier run.

        Raises:
            InputError: The file cannot be written.
        """
        try:
            existed = self.path.exists()
            self.path.open("w").close()
            if not existed:
                self.path.unlink()
        except OSError as error:
            raise InputError(f"rejects cannot be written to {self.path}: {error.strerror}; name another") from error
        return self

    def __call__(self, reject: Reject) -> None:
        """Append one line."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", errors="backslashreplace")
        line = {"id": reject.id, "path": reject.path, "reason": reject.reason}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
