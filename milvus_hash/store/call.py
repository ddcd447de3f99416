"""What is asked of Milvus, apart from how it is sent.

An operation that needs Milvus is a generator: it yields a :class:`Call`, is sent the answer, and returns its result.
It neither blocks nor awaits, so that the blocking and the asyncio client run the same steps. An answer that is too
large is thrown into it as ``AnswerTooLarge``, so that it can ask for parts; any other failure ends it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a ``MilvusClient``.

    Attributes:
        doing: What it is for, as the message of an error should say it: ``searching 'clipart'``.
        method: Name of the client's method.
        kwargs: Its arguments, without timeout and consistency level.
        read: Whether it reads rows, so that a consistency level applies.
    """

    doing: str
    method: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    read: bool = True


Steps: TypeAlias = Generator[Call, Any, Result]
"""An operation that yields calls, is sent their answers, and returns a ``Result``."""
