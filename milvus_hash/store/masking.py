"""Addresses of servers, fit for messages: without what must not be read in them."""

from __future__ import annotations

import re
from urllib.parse import unquote

_NAMED = re.compile(r"((?:token|pass|pwd|secret|key|auth|user)\w*=)[^/;&,]*", re.IGNORECASE)
_NO_PORT = re.compile(r"^([^/:\[]*):(?!\d*(?:[/?]|$))[^/]*")  # what follows a host and is no number may be a password


def mask(uri: str) -> str:
    """``uri`` without login, query and whatever else in it looks like a secret, also where it is badly written.

    The path of a local file is left as it is.

    Example:
        >>> mask("https://user:secret@example.com:19530/db"), mask("user:secret@host"), mask("/home/me@work/my.db")
        ('https://***@example.com:19530/db', '***@host', '/home/me@work/my.db')
    """
    head, mark, rest = uri.partition("://")
    if not mark:
        head, rest = "", uri
    local = not mark and rest.endswith(".db")
    rest = rest if local else unquote(rest)
    login, at, place = rest.rpartition("@")
    if at and (not local or ":" in login or "/" not in login):
        rest = f"***@{place}"
    if not local:
        rest = _NO_PORT.sub(r"\1:***", _NAMED.sub(r"\1***", re.sub(r"[?#].*", "?***", rest, flags=re.DOTALL)))
    return head + mark + rest
