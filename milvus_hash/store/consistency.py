"""Which consistency level a read asks for.

Milvus' *strong* level sees everything that anyone has written and takes up to 0.2 s on a server; *session* sees what
this client wrote and costs what *bounded* does, some 3 ms. Milvus Lite is always strong, and as fast.
"""

from __future__ import annotations

from milvus_hash.errors import InputError

LEVELS = ("Strong", "Session", "Bounded", "Eventually")


class Consistency:
    """The levels of one collection's reads.

    Without a level of the user's choice the first read, and the first one after a write, is strong; those after it are
    session reads. So a search sees all that this process wrote, and all that others had written by then.
    """

    def __init__(self, level: str | None = None) -> None:
        if level is not None and level not in LEVELS:
            raise InputError(f"consistency {level!r}: use one of {', '.join(LEVELS)}, or None")
        self._fixed = level
        self._up_to_date = False
        self.writes = 0
        """Writes so far; what :meth:`has_read` wants of a read's begin."""

    def __reduce__(self) -> tuple[type[Consistency], tuple[str | None]]:
        """For pickle: another process has written nothing and read nothing."""
        return Consistency, (self._fixed,)

    @property
    def level(self) -> str:
        """Of the next read."""
        return self._fixed or ("Session" if self._up_to_date else "Strong")

    def has_read(self, since: int) -> None:
        """A read at :attr:`level` came back; ``since`` is the number of writes when it began.

        One that began before a write ended may not have seen it.
        """
        self._up_to_date |= since == self.writes

    def has_written(self) -> None:
        """Something was written; pymilvus remembers the batch that was confirmed last, which may not be the latest."""
        self._up_to_date = False
        self.writes += 1
