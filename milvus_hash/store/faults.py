"""What can be wrong with a call to Milvus: which failures pass by themselves, and what to do about the others."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from milvus_hash.errors import AnswerTooLarge, StoreError
from milvus_hash.store.proxy import proxy_hint

if TYPE_CHECKING:
    from milvus_hash.store.address import Address

_NOT_FOUND = 100  # error codes of Milvus
_NOT_LOADED = 101
_UNAVAILABLE = 2  # also pymilvus' own code for a server that it cannot reach
# gRPC's words, those of a server's own limit, and those of Milvus Lite
_TOO_LARGE = re.compile(r"message larger than max|exceeds? the (?:maxOutputSize|limit size)", re.IGNORECASE)
_SOURCE = re.compile(r" ?(?:=> )?\bat /\S+:\d+(?: : segcore error)?")
_RIGHT = re.compile(r"Privilege(\w+): permission deny")


@cache
def errors() -> tuple[type[Exception], ...]:
    """What pymilvus raises on purpose, what gRPC raises through it, and what asyncio does when the time is up."""
    from grpc import RpcError  # type: ignore[import-untyped,unused-ignore]

    from milvus_hash.store.driver import MilvusException

    return MilvusException, RpcError, asyncio.TimeoutError


def passes(error: Exception) -> bool:
    """Whether the same call may well succeed in a moment.

    A server joins searches that arrive together, and Milvus 2.3 fails them all when one of their clients leaves.
    """
    return is_unreachable(error) or is_starting(error) or "context canceled" in _text(error)


def is_unreachable(error: Exception) -> bool:
    """Whether the server was not there."""
    return "UNAVAILABLE" in _statuses(error) or getattr(error, "code", None) == _UNAVAILABLE


def is_starting(error: Exception) -> bool:
    """Whether the server answers that it is not ready yet."""
    return any(said in _text(error) for said in ("service not ready", "not ready yet"))


def is_not_loaded(error: Exception) -> bool:
    """Whether the collection is not in the server's memory."""
    return getattr(error, "code", None) == _NOT_LOADED


def failed(address: Address, doing: str, error: Exception, timeout: float, *, loading: bool = False) -> StoreError:
    """What to raise for a call that failed.

    It has no secrets, and its cause must be left out, because that one may have them.

    Args:
        address: Where the call went.
        doing: What it was for: ``searching 'clipart'``.
        error: What came of it.
        timeout: Seconds that it could take.
        loading: Whether the server was loading the collection.
    """
    said = f"{doing} in {address.place} failed: {_text(error)}"
    hints = _advice(error, timeout, loading=loading) or _of_filter(doing), _proxy(address, error)
    kind = AnswerTooLarge if _TOO_LARGE.search(_text(error)) else StoreError
    return kind(address.masked("; ".join(filter(None, (said, *hints)))))


def refused(address: Address, error: Exception) -> StoreError:
    """What to raise when a client cannot be opened; as :func:`failed`."""
    if not _statuses(error).isdisjoint({"UNAUTHENTICATED", "PERMISSION_DENIED"}):  # pymilvus: "server unavailable"
        return StoreError(
            f"{address.shown} refused the login: the token is {'wrong' if address.secrets else 'missing'}; "
            "give token='USER:PASSWORD' or an API key (--token, MILVUS_TOKEN)"
        )
    hint = "is the server running, and are uri (http or https), database and certificates right?"
    if address.lite:
        hint = f"it has {address.timeout:g} s to start (timeout, --timeout); Milvus Lite writes the reason to stderr"
    said = f"cannot open {address.place}: {_text(error)}"
    return StoreError(address.masked("; ".join(filter(None, (said, hint, _proxy(address, error))))))


def _proxy(address: Address, error: Exception) -> str:
    """What to say of a proxy that may be behind an error, which is one of the way to Milvus and not of Milvus' own."""
    on_the_way = _statuses(error) or isinstance(error, asyncio.TimeoutError)
    return proxy_hint(address.host) if on_the_way else ""


def _advice(error: Exception, timeout: float, *, loading: bool = False) -> str:
    """What is wrong and what to do next; empty where Milvus' own words are all there is to say."""
    statuses = _statuses(error)
    if right := _RIGHT.search(_text(error)):
        return f"the user lacks the right {right[1]}: have it granted to a role of this user"
    if "UNAUTHENTICATED" in statuses:
        return "the login was refused: was the password changed?"
    if is_unreachable(error) or is_starting(error):
        return f"the server could not be reached for {timeout:g} s: start it; the next call connects again"
    if "DEADLINE_EXCEEDED" in statuses or isinstance(error, asyncio.TimeoutError) or "Retry timeout" in _text(error):
        return f"no answer within {timeout:g} s: give a longer timeout, or see what keeps the server busy"
    if getattr(error, "code", None) == _NOT_FOUND:
        return "it was dropped or renamed meanwhile: open another one or make it again"
    if loading:
        return f"the server is still loading it after {timeout:g} s, as after a restart: try again later"
    if _TOO_LARGE.search(_text(error)):
        return "ask for fewer rows or fields at once"
    if is_not_loaded(error):
        return "it was released from the server's memory meanwhile: open it again, which loads it"
    return ""


def _of_filter(doing: str) -> str:
    """What to do about a filter that Milvus refused; empty where the call was for something else."""
    if not doing.startswith("the filter"):
        return ""
    return (
        'write it as in year > 1990 and licence == "CC0": ==, !=, <, >, in [1, 2], like "a%", and, or, not; texts in '
        "double quotes, and values of the field's own type"
    )


def _text(error: Exception) -> str:
    """What gRPC said, where it is behind the error, else what Milvus said; in one line."""
    for cause in _causes(error):
        if callable(details := getattr(cause, "details", None)) and details():
            return _line(details())
    return _line(getattr(error, "message", "") or error) or "the time is up"


def _line(said: object) -> str:
    """In one line, without places in Milvus' own source."""
    return _SOURCE.sub("", " ".join(str(said).split()))


def _statuses(error: BaseException) -> set[str]:
    """The names of the gRPC statuses behind an error."""
    return {name for cause in _causes(error) if (name := _status(cause))}


def _status(error: BaseException) -> str:
    code = getattr(error, "code", None)
    return str(getattr(code() if callable(code) else code, "name", ""))


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(5):  # pymilvus chains errors in circles
        if cause is None:
            return
        yield cause
        cause = cause.__cause__
