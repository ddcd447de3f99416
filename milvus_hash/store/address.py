"""Which Milvus, as whom, and how."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import unquote, urlsplit

from milvus_hash.errors import InputError, StoreError
from milvus_hash.store import lite
from milvus_hash.store.masking import mask
from milvus_hash.store.tls import Tls

DEFAULT_URI = "milvus_hash.db"
_PORTS = {"http": 19530, "https": 443, "tcp": 19530}
_HOST = re.compile(r"[\w.-]+|[\da-f:.]+(%\w+)?")  # a name, or an IPv6 address
_PATH = re.compile(r"[\w/.-]*")
# Milvus Lite hangs up on a client that pinged for a minute and a half and asked nothing; pymilvus pings every 10 s
_LOCAL = {
    "grpc.keepalive_time_ms": 2**31 - 1,
    "grpc.keepalive_permit_without_calls": False,
    "grpc.enable_http_proxy": 0,
}
# gRPC's own pauses between attempts to connect again, and to look for the address again, grow to two minutes
_SOON = {
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.dns_min_time_between_resolutions_ms": 1000,
}


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
        timeout: Seconds that a call to Milvus may take; 30 when absent. The first one connects, too. While a server
            that had answered cannot be reached, or one starts, or loads the collection after a restart, the call is
            tried again until then.
    """

    uri: str | os.PathLike[str]
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
        uri: Without a login; the absolute path of a local file.
        token: ``USER:PASSWORD`` or an API key, from wherever it was given.
        db: Database of the server.
        tls: Certificates.
        timeout: Seconds that a call may take.
        shown: The uri as it was given, without secrets.
    """

    uri: str = field(repr=False)
    token: str = field(repr=False)
    db: str
    tls: Tls | None
    timeout: float
    shown: str = field(compare=False)

    @classmethod
    def of(
        cls,
        uri: str | os.PathLike[str],
        token: str,
        db: str,
        timeout: float,
        *,
        user: str,
        password: str,
        tls: Tls | None,
    ) -> Address:
        """Check :class:`ConnectionOptions`.

        Raises:
            InputError: They contradict each other, the uri is of another type, or the timeout is none.
            StoreError: The uri is neither a server's nor ends in ``.db``.
        """
        check_seconds(timeout)
        token, user, password, db = _texts(token=token, user=user, password=password, db=db)
        if bool(user) != bool(password) or (user and token):
            raise InputError("a login is either token='USER:PASSWORD', or user and password together")
        if not isinstance(uri, (str, os.PathLike)):
            raise InputError(f"uri is a {type(uri).__name__}: http(s)://HOST:PORT or a local file is needed")
        given = os.fsdecode(uri).strip()
        shown = mask(given)
        if tls is not None and not isinstance(tls, Tls):
            raise InputError(f"tls is a {type(tls).__name__}: Tls(ca_pem_path=...) is needed")
        if tls is not None and not given.lower().startswith("https://"):
            raise InputError(f"uri {shown!r}: tls needs one that begins with https://")
        plain, login = (_resolved(given, shown), "") if lite.is_lite(given) else _without_login(given)
        return cls(plain, token or (f"{user}:{password}" if user else login), db, tls, timeout, shown)

    @property
    def lite(self) -> bool:
        """Whether it is a file of Milvus Lite."""
        return lite.is_lite(self.uri)

    @property
    def host(self) -> str:
        """The server's name or number; empty where there is none."""
        return urlsplit(self.uri).hostname or "" if _is_server(self.uri) else ""

    @property
    def database(self) -> str:
        """Of the server, however it was given; empty for its default one."""
        return self.db or (urlsplit(self.uri).path.strip("/") if self.host else "")

    @property
    def place(self) -> str:
        """What a message calls it."""
        return f"{self.shown} (database {self.db!r})" if self.db else self.shown

    @property
    def target(self) -> str:
        """The server as gRPC names it."""
        parts = urlsplit(self.uri)
        return f"{parts.hostname}:{parts.port or _PORTS[parts.scheme]}" if parts.hostname else self.uri

    def check(self) -> None:
        """Refuse what cannot be connected to.

        Raises:
            StoreError: The uri is none, or the local file cannot be used.
            InputError: A certificate is not there any more.
            MissingExtra: Milvus Lite is needed and not installed.
        """
        if self.tls is not None:
            self.tls.check()
        if not self.lite and not _is_server(self.uri):
            raise StoreError(
                f"uri {self.shown!r} is neither http(s)://HOST:PORT nor a local file that ends in .db; "
                "a token is given apart from it (token, --token, MILVUS_TOKEN)"
            )
        if not self.lite:
            return
        try:
            lite.check_path(Path(self.uri), self.shown)
        except OSError as error:
            raise StoreError(f"uri {self.shown!r} cannot be looked at: {error.strerror}") from None

    def arguments(self) -> dict[str, Any]:
        """How a connection of pymilvus is made; where it goes is left out."""
        options = _SOON | (_LOCAL if self.lite else {})
        tls = self.tls.arguments() if self.tls else {}
        return {"token": self.token, "db_name": self.db, "grpc_options": options, **tls}

    @property
    def secrets(self) -> list[str]:
        """What must never be shown: the token and its password; longest first."""
        found = {self.token, self.token.partition(":")[2]}
        return sorted(found - {""}, key=len, reverse=True)

    def masked(self, message: str) -> str:
        """The message without secrets."""
        for secret in self.secrets:
            message = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", message)  # not a letter within words
        return message


def check_seconds(timeout: object) -> None:
    """Refuse what is no time that a call may take.

    Raises:
        InputError: It is not a number above 0.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise InputError(f"timeout={timeout!r}: seconds above 0 are needed")


def _texts(**given: object) -> list[str]:
    """The values, of which None is none, as an environment without the variable gives it; none is ever shown.

    Raises:
        InputError: One is no text.
    """
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            raise InputError(f"{name} is a {type(value).__name__}; a text is needed, and a token is 'USER:PASSWORD'")
    return [str(value or "") for value in given.values()]


def _resolved(path: str, shown: str) -> str:
    """The one absolute path of a local file.

    Raises:
        InputError: It is none.
        StoreError: It does not end in ``.db``, as an address without http:// does not.
    """
    try:
        resolved = lite.absolute(path)
    except (OSError, RuntimeError, ValueError):  # too long, a home or a loop that is not there, a NUL
        raise InputError(f"uri {shown!r} is neither http(s)://HOST:PORT nor a path that can be used") from None
    if resolved.suffix != ".db":
        raise StoreError(f"uri {shown!r}: a local file must end in .db; a server is http://HOST:PORT")
    return str(resolved)


def _without_login(uri: str) -> tuple[str, str]:
    """A server's uri apart from the login in it, which is percent-encoded there; pymilvus would not decode it."""
    scheme, mark, rest = uri.partition("://")
    login, _, place = rest.rpartition("@")
    user, _, password = login.partition(":")
    return f"{scheme}{mark}{place}", ":".join(unquote(part) for part in (user, password) if part)


def _is_server(uri: str) -> bool:
    """Whether it is an address and nothing else: pymilvus passes over a query, and so over a token in it."""
    if uri.startswith("unix:"):
        return True
    try:
        parts = urlsplit(uri)
        usable = parts.scheme in _PORTS and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:  # a port that is no number, half an IPv6 address
        return False
    return usable and bool(_HOST.fullmatch(parts.hostname or "") and _PATH.fullmatch(parts.path))
