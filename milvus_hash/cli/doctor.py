"""``milvus-hash doctor``: what is installed, whether it fits together, whether Milvus answers."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from milvus_hash import __version__
from milvus_hash.cli.options import Connection, Model, connection_options, examples, model_options
from milvus_hash.cli.output import emit
from milvus_hash.errors import MilvusHashError
from milvus_hash.extras import require
from milvus_hash.store import lite
from milvus_hash.store.schema import MODALITIES

if TYPE_CHECKING:
    from milvus_hash.encoder import Encoder

_NEEDED = ("numpy", "pymilvus", "pillow", "tokenizers", "click", "tqdm")
_EXTRAS = {"parquet": "pyarrow", "eval": "matplotlib", "video": "av", "export": "torch"}
_SECONDS = 10.0  # that Milvus may take to answer


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        check: What was looked at.
        state: ``ok``, ``note`` (works, worth knowing) or ``broken``.
        detail: What was found and, if broken, what to do.
    """

    check: str
    state: str
    detail: str


@click.command(
    epilog=examples(
        "milvus-hash doctor",
        "milvus-hash doctor --uri http://localhost:19530 --collection clipart",
        "milvus-hash doctor --bundle bundles/clipart",
    )
)
@model_options
@connection_options
@click.option("--collection", "-c", help="Look at this collection as well: rows per modality, whose codes they are.")
@click.pass_context
def command(ctx: click.Context, model: Model, connection: Connection, collection: str | None) -> None:
    """Check the installation, the bundle and the connection to Milvus.

    The exit code is 1 when something that is needed is broken.
    """
    findings = list(_findings(model, connection, collection))
    columns = {name: itemgetter(name) for name in ("check", "state", "detail")}
    emit((asdict(finding) for finding in findings), columns, whole=True)
    if any(finding.state == "broken" for finding in findings):
        ctx.exit(1)


def _findings(model: Model, connection: Connection, collection: str | None) -> Iterator[Finding]:
    yield Finding("milvus-hash", "ok", f"{__version__} on Python {platform.python_version()}, {platform.platform()}")
    yield _libraries()
    yield _extras()
    yield _runtime(model.providers)
    yield _milvus_lite(needed=lite.is_lite(connection.uri))
    encoder = None
    try:
        encoder = model.load()
    except MilvusHashError as error:
        yield Finding("bundle", "broken", str(error))
    else:
        yield _bundle(encoder)
    yield from _milvus(connection, encoder, collection)


def _libraries() -> Finding:
    found = {name: _version(name) for name in _NEEDED}
    missing = [name for name, number in found.items() if not number]
    if missing:
        return Finding("libraries", "broken", f"{', '.join(missing)} missing; pip install milvus-hash")
    return Finding("libraries", "ok", ", ".join(f"{name} {number}" for name, number in found.items()))


def _extras() -> Finding:
    found = [f"{extra} {'yes' if _version(package) else 'no'}" for extra, package in _EXTRAS.items()]
    return Finding("extras", "ok", ", ".join(found))


def _runtime(wanted: tuple[str, ...]) -> Finding:
    from milvus_hash.runtime import resolve_providers

    try:
        ort = require("onnxruntime", "cpu")
        providers = resolve_providers(wanted)
    except MilvusHashError as error:
        return Finding("onnxruntime", "broken", str(error))
    detail = f"{ort.__version__}; in use {', '.join(providers)}; available {', '.join(ort.get_available_providers())}"
    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        return Finding("onnxruntime", "broken", f"{detail}; both onnxruntime and onnxruntime-gpu: uninstall one")
    return Finding("onnxruntime", "ok", detail)


def _milvus_lite(*, needed: bool) -> Finding:
    try:
        lite.check_installed()
    except MilvusHashError as error:
        return Finding("milvus-lite", "broken" if needed else "note", str(error))
    return Finding("milvus-lite", "ok", _version("milvus-lite"))


def _bundle(encoder: Encoder) -> Finding:
    bundle = encoder.bundle
    lengths = ", ".join(map(str, bundle.bits))
    detail = (
        f"{bundle.name} ({bundle.method}), {lengths} bits, {' and '.join(encoder.modalities)}, "
        f"fingerprint {bundle.fingerprint}, {bundle.path}"
    )
    try:
        if "text" in encoder.modalities:
            encoder.encode_texts(["a red flower"])
    except MilvusHashError as error:
        return Finding("bundle", "broken", str(error))
    return Finding("bundle", "ok", detail)


def _milvus(connection: Connection, encoder: Encoder | None, collection: str | None) -> Iterator[Finding]:
    from milvus_hash.store.connection import Connection as Link

    link = Link(connection.uri, connection.token, connection.db, _SECONDS)
    if link.lite and not Path(connection.uri).exists():
        yield Finding("milvus", "note", f"{link.uri} is not there yet; milvus-hash ingest makes it")
        return
    try:
        version = "Milvus Lite" if link.lite else link.call("asking the version", "get_server_version")
        names = link.call("listing collections", "list_collections")
    except MilvusHashError as error:
        yield Finding("milvus", "broken", str(error))
        return
    finally:
        link.close()
    yield Finding("milvus", "ok", f"{version} at {link.uri}, {len(names)} collections")
    if collection is not None and encoder is not None:
        yield _collection(collection, encoder, connection)


def _collection(name: str, encoder: Encoder, connection: Connection) -> Finding:
    from milvus_hash.collection import HashCollection

    try:
        with HashCollection.open(name, encoder, **connection.kwargs()) as found:
            counts = {modality: found.count(modality) for modality in MODALITIES}
            detail = f"{name}: {found.bits} bits, {found.index}, of this bundle; "
    except MilvusHashError as error:
        return Finding("collection", "broken", str(error))
    rows = ", ".join(f"{count:,} {modality}" for modality, count in counts.items() if count)
    return Finding("collection", "ok", f"{detail}rows: {rows or 'none'}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
