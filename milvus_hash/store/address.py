"""Which Milvus, as whom, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypedDict
from urllib.parse import unquote, urlsplit

from milvus_hash.errors import InputError, StoreError
from milvus_hash.store import lite
from milvus_hash.store.tls import Tls

DEFAULT_URI = "milvus_hash.db"
_SCHEMES = ("http", "https", "tcp")
# pymilvus pings every 10 s; Milvus Lite hangs up on a client that pinged for a minute and a half and asked nothing
_NO_PINGS = {"grpc.keepalive_time_ms": 2**31 - 1, "grpc.keepalive_permit_without_calls": False}


class ConnectionOptions(TypedDict, total=False):
    """Keyword arguments that say which Milvus, as whom, and how long a call to it may take.

    Attributes:
        uri: ``http(s)://HOST:PORT`` of a server, or a file of Milvus Lite that ends in ``.db``;
            ``milvus_hash.db`` when absent.
        token: ``USER:PASSWORD`` or an API key.
        user: With ``password``, another way to give the token.
        password: Of the user.
        db: A database of the server; its default one when empty.
        tls: Certificates for an ``https`` server that no well-known authority vouches for.
        timeout: Seconds that a call to Milvus may take; 30 when absent. While a server that had answered cannot be
            reached, or loads the collection after a restart, the call is tried again until then.
    """

    uri: str
    token: str
    user: str
    password: str
    db: str
    tls: Tls | None
    timeout: float


@dataclass(frozen=True, slots=True)
class Address:
    """Connection options, checked; two collections with the same ones share a client.

    Attributes:
        uri: With credentials, if it has any; the absolute path of a local file.
        token: ``USER:PASSWORD`` or an API key.
        db: Database of the server.
        tls: Certificates.
        timeout: Seconds that a call may take.
        shown: The uri as it was given, without credentials.
    """

    uri: str = field(repr=False)
    token: str = field(repr=False)
    db: str
    tls: Tls | None
    timeout: float
    shown: str = field(compare=False)

    @classmethod
    def of(cls, uri: str, token: str, db: str, timeout: float, *, user: str, password: str, tls: Tls | None) -> Address:
        """Check :class:`ConnectionOptions`.

        Raises:
            InputError: They contradict each other, or the timeout is none.
        """
        if not timeout > 0:
            raise InputError(f"timeout={timeout}: seconds above 0 are needed")
        if bool(user) != bool(password) or (user and token):
            raise InputError("a login is either token='USER:PASSWORD', or user and password together")
        if tls is not None and not uri.startswith("https://"):
            raise InputError(f"uri {mask(uri)!r}: tls needs one that begins with https://")
        full = str(lite.absolute(uri)) if lite.is_lite(uri) else uri
        return cls(full, token or (f"{user}:{password}" if user else ""), db, tls, timeout, mask(uri))

    @property
    def lite(self) -> bool:
        """Whether it is a file of Milvus Lite."""
        return lite.is_lite(self.uri)

    def arguments(self) -> dict[str, Any]:
        """What a client of pymilvus takes to go there.

        Raises:
            StoreError: The uri is none, or the local file cannot be used.
        """
        if self.lite:
            lite.check_path(self.uri)
        elif not _is_server(self.uri):
            raise StoreError(f"uri {self.shown!r} is neither http(s)://HOST:PORT nor a local file that ends in .db")
        login = {"token": self.token, "db_name": self.db, "timeout": self.timeout}
        kind = {"grpc_options": _NO_PINGS} if self.lite else self.tls.arguments() if self.tls else {}
        # dedicated: closing this client leaves those of the user alone, and the other way round
        return {"uri": self.uri, "dedicated": True, **login, **kind}

    @property
    def secrets(self) -> list[str]:
        """What must never be shown: the token, its password, and both as they stand in the uri; longest first."""
        found = {self.token, self.token.partition(":")[2]}
        login = self.uri.rpartition("@")[0].partition("://")[2] if "://" in self.uri else ""
        found |= {login, unquote(login), login.partition(":")[2], unquote(login.partition(":")[2])}
        return sorted(found - {""}, key=len, reverse=True)

    def masked(self, message: str) -> str:
        """The message without secrets."""
        for secret in self.secrets:
            message = message.replace(secret, "***")
        return message


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


def _is_server(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        usable = uri.startswith("unix:") or (parts.scheme in _SCHEMES and parts.hostname and parts.port != 0)
    except ValueError:  # a port that is no number, half an IPv6 address
        return False
    return bool(usable)
