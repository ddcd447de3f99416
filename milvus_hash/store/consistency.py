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

    Without a level of the user's choice the first read is strong; those after it are session reads, for which pymilvus
    remembers the time of the last write that was confirmed. It does not know that of a delete (Milvus 2.3 says 0), nor
    of a write that failed and may have been carried out: after these, too, the first read is strong. So a search sees
    all that this process wrote, and all that others had written when it began to read.
    """

    def __init__(self, level: str | None = None) -> None:
        if level is not None and level not in LEVELS:
            raise InputError(f"consistency {level!r}: use one of {', '.join(LEVELS)}, or None")
        self._fixed = level
        self._up_to_date = False
        self.unknown_times = 0
        """Writes so far whose time pymilvus does not know; what :meth:`has_read` wants of a read's begin."""

    def __reduce__(self) -> tuple[type[Consistency], tuple[str | None]]:
        """For pickle: another process has written nothing and read nothing."""
        return Consistency, (self._fixed,)

    @property
    def level(self) -> str:
        """Of the next read."""
        return self._fixed or ("Session" if self._up_to_date else "Strong")

    def has_read(self, since: int) -> None:
        """A read at :attr:`level` came back; ``since`` is :attr:`unknown_times` when it began.

        One that began before such a write ended may not have seen it.
        """
        self._up_to_date |= since == self.unknown_times

    def has_written_unknown(self) -> None:
        """Something was deleted, or a write ended without an answer for each batch."""
        self._up_to_date = False
        self.unknown_times += 1
