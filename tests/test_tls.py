"""A real Milvus server that speaks TLS: one that shows a certificate, and one that wants to see one too."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from milvus_server import AVAILABLE, own_server

from milvus_hash.async_collection import AsyncHashCollection
from milvus_hash.collection import CodeRow, HashCollection
from milvus_hash.errors import InputError, StoreError
from milvus_hash.store.tls import Tls

HOST = "milvus.test"  # the name in the server's certificate; the tests reach it as 127.0.0.1


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority ``ca.pem`` and what it vouches for: ``server`` and ``client``, each .pem and .key."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(folder, "req", "-x509", *key, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority")
    (folder / "names").write_text(f"subjectAltName=DNS:{HOST}")
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
    for name in ("server", "client"):
        openssl(folder, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
    return folder


@pytest.fixture(scope="module", params=["1", "2"], ids=["server-certificate", "mutual"])
def secure(request: pytest.FixtureRequest, certificates: Path) -> Iterator[tuple[str, Tls, bool]]:
    """The uri of a server, the certificates that fit, and whether it wants one of ours."""
    if not AVAILABLE:
        pytest.skip("the milvus wheel is for Linux on x86-64")
    settings = {
        "COMMON_SECURITY_TLSMODE": request.param,
        "TLS_SERVERPEMPATH": str(certificates / "server.pem"),
        "TLS_SERVERKEYPATH": str(certificates / "server.key"),
        "TLS_CAPEMPATH": str(certificates / "ca.pem"),
    }
    mutual = request.param == "2"
    own = (certificates / "client.pem", certificates / "client.key") if mutual else ("", "")
    with own_server(settings=settings) as server:
        yield server.uri.replace("http://", "https://"), Tls(certificates / "ca.pem", *own, server_name=HOST), mutual


def test_a_server_with_tls(secure, certificates, tiny_encoder):
    uri, tls, mutual = secure
    with HashCollection.create("mine", tiny_encoder, uri=uri, tls=tls, timeout=60) as collection:
        collection.add_codes([CodeRow("a", "image", 0, bytes(8))])

    async def awaited() -> int:
        async with await AsyncHashCollection.open("mine", tiny_encoder, uri=uri, tls=tls, timeout=60) as opened:
            return await opened.count()

    assert asyncio.run(awaited()) == 1
    unfit = [None, Tls(certificates / "ca.pem"), *([Tls(certificates / "ca.pem", server_name=HOST)] if mutual else [])]
    for other in unfit:  # an unknown authority, another host's name, no certificate of ours
        with pytest.raises(StoreError, match=r"cannot open https.* \(http or https\), database and certificates"):
            HashCollection.exists("mine", uri=uri, tls=other, timeout=5)
    with pytest.raises(StoreError, match="cannot open http://"):
        HashCollection.exists("mine", uri=uri.replace("https", "http"), timeout=5)


def test_options_that_cannot_be(certificates):
    with pytest.raises(InputError, match=r"ca_pem_path='absent.pem': there is no such file"):
        Tls("absent.pem")
    with pytest.raises(InputError, match="client_pem_path alone cannot be used"):
        Tls(client_pem_path=certificates / "client.pem")
    with pytest.raises(InputError, match="tls needs one that begins with https://"):
        HashCollection.exists("any", uri="http://localhost:19530", tls=Tls())
