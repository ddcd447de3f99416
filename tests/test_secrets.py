"""Tokens and passwords: however they are given, nothing that is shown, logged or represented has them."""

from __future__ import annotations

import logging
import os
import socket
import traceback
from urllib.parse import quote

import pytest

from milvus_hash.cli.options import Connection as Options
from milvus_hash.collection import HashCollection
from milvus_hash.errors import MilvusHashError
from milvus_hash.store.connection import Connection
from milvus_hash.store.masking import mask
from milvus_hash.store.proxy import proxy_hint

SECRET = "s3cr3t-P@55/w?"
SPELLINGS = [
    "http://root:{}@127.0.0.1:{port}",
    "http://root:{}@127.0.0.1:{port}/db",
    "HTTP://{}@127.0.0.1:{port}",
    "root:{}@127.0.0.1:{port}",
    "{}@127.0.0.1:{port}",
    "//root:{}@127.0.0.1:{port}",
    "http:/root:{}@127.0.0.1:{port}",
    "http:\\\\root:{}@127.0.0.1:{port}",
    "root:{}@127.0.0.1/codes.db",
    "http://127.0.0.1:{port}?token={}",
    "http://127.0.0.1:{port}/db?secure=1&token={}",
    "http://127.0.0.1:{port}#{}",
    "http://127.0.0.1:{port};token={}",
    "http://127.0.0.1:{port}/db;password={}",
    "127.0.0.1:{port}?token={}",
    "http://root%3A{}%40127.0.0.1:{port}",
    "http://root:{}",
    "root:{}",
    "ftp://root:{}@host",
    "http://root:{}@[half",
    "http://root:{}@127.0.0.1:port",
    "token={}",
]


@pytest.fixture
def dead_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def everything(error: BaseException) -> str:
    return f"{error} {error!r} {''.join(traceback.format_exception_only(error))} {error.__cause__}"


@pytest.mark.parametrize("secret", ["s3cr3t-Pa55", SECRET, quote(SECRET, safe="")], ids=["plain", "raw", "encoded"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_in_a_uri_is_never_shown(spelling, secret, dead_port, caplog, capfd):
    uri = spelling.format(secret, port=dead_port)
    caplog.set_level(logging.DEBUG)
    seen = [mask(uri), repr(Options(uri, secret, "", 1.0, None))]
    try:
        connection = Connection(uri, timeout=1)
        seen += [connection.uri, repr(connection), repr(vars(connection)), repr(connection.address)]
    except MilvusHashError as error:
        seen.append(everything(error))
    with pytest.raises(MilvusHashError) as caught:
        HashCollection.exists("any", uri=uri, timeout=1)
    seen += [everything(caught.value), caplog.text, *capfd.readouterr()]
    assert "s3cr3t" not in "".join(seen)


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:19530",
        "https://in01-12ab.zillizcloud.com",
        "http://[::1]:19530/db",
        "tcp://host:1",
        "unix:/tmp/milvus.sock",
        "localhost:19530",
        "codes.db",
        "/home/me@work/C#/a:b/codes.db",
        "codes.sqlite",
    ],
)
def test_what_is_no_secret_is_shown(uri):
    assert mask(uri) == uri


def test_a_password_that_is_a_letter_is_not_looked_for_in_words(dead_port):
    with pytest.raises(MilvusHashError, match="failed to connect to all addresses"):
        HashCollection.exists("any", uri=f"http://s:e@127.0.0.1:{dead_port}", timeout=5)


def test_a_login_in_the_uri_is_the_token(dead_port):
    """Decoded, and taken out of the uri; so two spellings of one login are one address."""
    host = f"127.0.0.1:{dead_port}/db"
    in_uri = Connection(f"http://root:{quote(SECRET, safe='')}@{host}").address
    assert in_uri == Connection(f"http://root:{SECRET}@{host}").address
    assert in_uri == Connection(f"http://{host}", token=f"root:{SECRET}").address
    assert in_uri == Connection(f"http://{host}", user="root", password=SECRET).address
    assert (in_uri.uri, in_uri.token) == (f"http://{host}", f"root:{SECRET}")
    assert Connection(f"http://key@{host}").address.token == "key"
    assert Connection(f"http://root:old@{host}", token="root:new").address.token == "root:new"


@pytest.fixture
def no_proxies(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("name", ["grpc_proxy", "https_proxy", "http_proxy"])
def test_a_proxy_in_between_is_named_without_its_login(name, no_proxies, monkeypatch, dead_port):
    monkeypatch.setenv(name, f"http://me:s3cr3t@127.0.0.1:{dead_port}")
    with pytest.raises(
        MilvusHashError, match=rf"{name}=http://\*\*\*@127.0.0.1:\d+ sends calls to some.host"
    ) as caught:
        HashCollection.exists("any", uri="http://some.host:19530", timeout=5)
    assert "s3cr3t" not in everything(caught.value)


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ({}, "host"),
        ({"http_proxy": "http://p:1"}, ""),
        ({"http_proxy": "socks5://p:1"}, "host"),
        ({"HTTP_PROXY": "http://p:1", "all_proxy": "http://p:1"}, "host"),
        ({"grpc_proxy": "", "http_proxy": "http://p:1"}, "host"),
        ({"http_proxy": "http://p:1", "no_proxy": "other, .Example.com"}, "db.example.com"),
        ({"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, "10.1.2.3"),
        ({"http_proxy": "http://p:1", "no_grpc_proxy": "host", "no_proxy": ""}, "host"),
    ],
)
def test_a_proxy_that_grpc_does_not_use_is_not_blamed(environment, host, no_proxies, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_hint(host) == ""


@pytest.mark.parametrize("exceptions", ["", "*", "other", "host:19530", "10.0.0.0/8"])
def test_a_proxy_that_grpc_uses_all_the_same(exceptions, no_proxies, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://p:1")
    monkeypatch.setenv("no_proxy", exceptions)
    assert (
        proxy_hint("host") == "http_proxy=http://p:1 sends calls to host through a proxy: put it into no_proxy "
        "to go there directly"
    )
