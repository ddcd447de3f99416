"""Which consistency level a read asks for.

Milvus' *strong* level sees everything that anyone has written and takes 0.2 to 0.3 s on a server; *session* sees what
this process wrote and costs what *bounded* does, some 3 ms, but for the first 0.2 s after a write, which it waits for.
Milvus Lite is always strong, and as fast.
"""

from __future__ import annotations

from milvus_hash.errors import InputError

LEVELS = ("Strong", "Session", "Bounded", "Eventually")


class Consistency:
    """The levels of one collection's reads.

    Without a level of the user's choice the first read is strong, and so is the first one after a write that failed, of
    which Milvus may have carried out more than it could say; all others are session reads. So a search sees all that
    this process wrote, and all that others had written when it began to read.
    """

    def __init__(self, level: str | None = None) -> None:
        if level is not None and level not in LEVELS:
            raise InputError(f"consistency {level!r}: use one of {', '.join(LEVELS)}, or None")
        self._fixed = level
        self._up_to_date = False
        self.failed_writes = 0
        """So far; what :meth:`has_read` wants of a read's begin."""

    def __reduce__(self) -> tuple[type[Consistency], tuple[str | None]]:
        """For pickle: another process has written nothing and read nothing."""
        return Consistency, (self._fixed,)

    @property
    def level(self) -> str:
        """Of the next read."""
        return self._fixed or ("Session" if self._up_to_date else "Strong")

    def has_read(self, since: int) -> None:
        """A read at :attr:`level` came back; ``since`` is :attr:`failed_writes` when it began.

        One that began before a write failed may not have seen what Milvus did of it.
        """
        self._up_to_date |= since == self.failed_writes

    def has_failed_to_write(self) -> None:
        """A write ended without an answer for each batch; pymilvus remembers the latest of those that had one."""
        self._up_to_date = False
        self.failed_writes += 1
