"""One connection to Milvus: opened when first needed, every call with a timeout, every error a StoreError."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from milvus_hash.errors import InputError, StoreError
from milvus_hash.store import lite
from milvus_hash.store.call import Result, Steps
from milvus_hash.store.consistency import Consistency

if TYPE_CHECKING:
    from pymilvus import MilvusClient

_SCHEMES = ("http", "https", "tcp")


def mask(uri: str) -> str:
    """``uri`` without its user and password, fit for messages.

    Example:
        >>> mask("https://user:secret@example.com:19530/db")
        'https://***@example.com:19530/db'
    """
    head, at, tail = uri.rpartition("@")
    if not at or "://" not in head:
        return uri
    return f"{head.split('://', 1)[0]}://***@{tail}"


class Connection:
    """A lazily opened ``MilvusClient`` of its own.

    Attributes:
        uri: Where it goes, without credentials.
        lite: Whether that is a file of Milvus Lite.
        timeout: Seconds that every call may take, retries included.
    """

    def __init__(self, uri: str, token: str = "", db: str = "", timeout: float = 30.0) -> None:
        if not timeout > 0:
            raise InputError(f"timeout={timeout}: seconds above 0 are needed")
        self.uri = mask(uri)
        self.lite = lite.is_lite(uri)
        self.timeout = timeout
        self._uri, self._token, self._db = uri, token, db
        self._secrets = _secrets(uri, token)
        self._client: MilvusClient | None = None
        self._path: Path | None = None

    @property
    def client(self) -> MilvusClient:
        """The client; the first use opens it.

        Raises:
            StoreError: The server does not answer or refuses the login, or the local file cannot be opened.
            MissingExtra: Milvus Lite is needed and not installed.
        """
        if self._client is None:
            self._client = self._open_file() if self.lite else self._open_server()
        return self._client

    def call(self, doing: str, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (any client method)
        """Call ``method`` of the client with a timeout.

        Args:
            doing: What the call is for, as the message of an error should say it: ``searching 'clipart'``.
            method: Name of a ``MilvusClient`` method.
            args: For the method.
            kwargs: For the method; ``timeout`` may override the connection's.

        Raises:
            StoreError: Milvus refused or failed.
        """
        function = getattr(self.client, method)
        try:
            return function(*args, **{"timeout": self.timeout, **kwargs})
        except _errors() as error:
            raise self._error(f"{doing} in {self.uri} failed", error) from None

    def run(self, steps: Steps[Result], consistency: Consistency) -> Result:
        """Carry out ``steps`` call by call.

        Raises:
            StoreError: Milvus refused or failed; the steps are not taken further.
        """
        try:
            call = next(steps)
            while True:
                level = {"consistency_level": consistency.level} if call.read else {}
                answer = self.call(call.doing, call.method, **call.kwargs, **level)
                if call.read:
                    consistency.has_read()
                call = steps.send(answer)
        except StopIteration as end:
            result: Result = end.value
            return result

    def close(self) -> None:
        """Close the client; the next call opens a new one."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
        path, self._path = self._path, None
        if path is not None:
            lite.release(path)

    def _open_file(self) -> MilvusClient:
        lite.check_installed()
        path = lite.check_path(self._uri)
        with lite.opening(path):
            client = self._connect(str(path))
        self._path = path
        return client

    def _open_server(self) -> MilvusClient:
        try:
            parts = urlsplit(self._uri)
            usable = self._uri.startswith("unix:") or (parts.scheme in _SCHEMES and parts.hostname and parts.port != 0)
        except ValueError:  # a port that is no number, half an IPv6 address
            usable = False
        if not usable:
            raise StoreError(f"uri {self.uri!r} is neither http(s)://HOST:PORT nor a local file that ends in .db")
        return self._connect(self._uri)

    def _connect(self, uri: str) -> MilvusClient:
        from pymilvus import MilvusClient

        try:
            # dedicated: closing this one leaves other clients of the process alone, and the other way round
            return MilvusClient(uri, token=self._token, db_name=self._db, timeout=self.timeout, dedicated=True)
        except _errors() as error:
            if _refused_login(error):
                raise StoreError(
                    f"{self.uri} refused the login: the token is {'wrong' if self._secrets else 'missing'}; "
                    "give token='USER:PASSWORD' or an API key (--token, MILVUS_TOKEN)"
                ) from None
            hint = (
                "; Milvus Lite writes the reason to stderr"
                if self.lite
                else "; is the server running, and are uri and database right?"
            )
            raise self._error(f"cannot open {self.uri}", error, hint) from None

    def _error(self, what: str, error: Exception, hint: str = "") -> StoreError:
        """A StoreError without secrets; its cause is left out, because that one may name them."""
        text = " ".join(str(getattr(error, "message", "") or error).split())
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return StoreError(f"{what}: {text}{hint}")


@cache
def _errors() -> tuple[type[Exception], ...]:
    """What pymilvus raises on purpose, and what gRPC raises through it."""
    from grpc import RpcError  # type: ignore[import-untyped,unused-ignore]
    from pymilvus import MilvusException

    return MilvusException, RpcError


def _secrets(uri: str, token: str) -> list[str]:
    """What must never be shown: the token, its password, and both as they stand in the uri; longest first."""
    found = {token, token.partition(":")[2]}
    login = uri.rpartition("@")[0].partition("://")[2] if "://" in uri else ""
    found |= {login, unquote(login), login.partition(":")[2], unquote(login.partition(":")[2])}
    return sorted(found - {""}, key=len, reverse=True)


def _refused_login(error: BaseException) -> bool:
    """Whether gRPC's UNAUTHENTICATED is behind ``error``; pymilvus reports it as "server unavailable"."""
    cause: BaseException | None = error
    for _ in range(5):  # pymilvus chains errors in circles
        if cause is None:
            return False
        code = getattr(cause, "code", None)
        if callable(code) and getattr(code(), "name", "") in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
            return True
        cause = cause.__cause__
    return False
