"""What the words of a refusal have to be."""

from __future__ import annotations

import re

INTERNAL = re.compile(
    r"__\w+__|0x[0-9a-f]{6}|<class|<function|CollectionReads|SearchOptions|\.cpp|\.go:|Traceback|File \""
)


def check_words(said: str) -> None:
    """No internals, no secrets, and short enough to be read."""
    assert not INTERNAL.search(said), said
    assert "secret" not in said
    assert len(said) < 800, said
