"""``milvus-hash doctor``: what is installed, whether it fits together, whether Milvus answers."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milvus_hash import __version__
from milvus_hash.cli.options import Connection, Model, connection_options, examples, model_options, say
from milvus_hash.cli.output import emit
from milvus_hash.errors import MilvusHashError
from milvus_hash.store import lite

if TYPE_CHECKING:
    from milvus_hash.encoder import Encoder
    from milvus_hash.evaluate.balance import BitUse
    from milvus_hash.health import Health, Latency
    from milvus_hash.selftest import Step
    from milvus_hash.store.features import Feature
    from milvus_hash.store.schema import Provenance

_NEEDED = ("numpy", "pymilvus", "pillow", "tokenizers", "click", "tqdm")
_EXTRAS = {
    "parquet": "pyarrow",
    "frame": "pandas",
    "eval": "matplotlib",
    "video": "av",
    "export": "torch",
    "langchain": "langchain-core",
    "llama-index": "llama-index-core",
}
_SECONDS = 10.0  # that Milvus may take to answer


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        check: What was looked at; after a slash, a part of the line before it.
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
        "milvus-hash doctor --uri http://localhost:19530 --collection clipart --repair",
        "milvus-hash doctor --uri http://localhost:19530 --self-test > report.jsonl",
    )
)
@model_options
@connection_options
@click.option(
    "--collection",
    "-c",
    help="Look at this collection (or alias) as well: whose codes, index, rows, how the codes use their bits, latency.",
)
@click.option(
    "--repair",
    "repairing",
    is_flag=True,
    help="Make what a killed process left out of the collection: its index, its partitions. Rows stay as they are.",
)
@click.option(
    "--self-test",
    "testing",
    is_flag=True,
    help="Try on this Milvus all that the package does with one, in a collection of its own, which is removed again.",
)
@click.pass_context
def command(
    ctx: click.Context,
    model: Model,
    connection: Connection,
    collection: str | None,
    *,
    repairing: bool,
    testing: bool,
) -> None:
    """Check the installation, the bundle, the connection to Milvus, and with --collection a collection.

    Without --repair and --self-test nothing is written, and a collection that a server has not loaded stays so.
    The self-test takes a minute; its report holds neither addresses nor secrets, so that it can be sent.

    The exit code is 1 when something that is needed is broken.
    """
    if repairing and collection is None:
        raise click.UsageError("--repair needs --collection, what to repair")
    if testing:
        ctx.exit(_self_test(model, connection))
    findings = list(_findings(model, connection, collection, repairing=repairing))
    columns: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "check": _branch,
        "state": itemgetter("state"),
        "detail": itemgetter("detail"),
    }
    emit((asdict(finding) for finding in findings), columns, whole=True)
    if any(finding.state == "broken" for finding in findings):
        ctx.exit(1)


def _self_test(model: Model, connection: Connection) -> int:
    """The report of a self-test; 1 if something failed in it."""
    from milvus_hash.selftest import self_test

    states = []

    def rows(steps: Iterable[Step]) -> Iterator[dict[str, Any]]:
        for step in steps:
            say(f"{step.step}: {step.state}", quiet=not sys.stdout.isatty())  # where the table comes at the end
            states.append(step.state)
            yield asdict(step)

    columns = {name: itemgetter(name) for name in ("step", "state", "seconds", "detail")}
    with closing(self_test(model.load(), **connection.kwargs())) as steps:
        emit(rows(steps), columns, whole=True)
    return int("failed" in states)


def _branch(row: Mapping[str, Any]) -> str:
    """The check as a branch of the tree that the table is."""
    *above, name = row["check"].split("/")
    return f"└{'──' * (len(above) - 1)} {name}" if above else name


def _findings(model: Model, connection: Connection, collection: str | None, *, repairing: bool) -> Iterator[Finding]:
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
    yield from _milvus(connection, encoder, collection, repairing=repairing)


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
    from milvus_hash.runtime import onnxruntime, resolve_providers

    try:
        ort = onnxruntime()
        providers = resolve_providers(wanted)
    except MilvusHashError as error:
        return Finding("onnxruntime", "broken", str(error))
    detail = f"{ort.__version__}; in use {', '.join(providers)}; available {', '.join(ort.get_available_providers())}"
    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        return Finding("onnxruntime", "broken", f"{detail}; both onnxruntime and onnxruntime-gpu: uninstall one")
    return Finding("onnxruntime", "ok", detail)


_FLOATS = (
    "codes as floats, as exact as bits; at 50,000 rows a search takes 25 to 45 ms, with 2.5.2rc1 (for Linux on x86-64 "
    "and macOS on arm64) 3 ms, and memory is 235 MB instead of 149"
)


def _milvus_lite(*, needed: bool) -> Finding:
    try:
        cost = _FLOATS if lite.is_three() else "codes as bits"
    except MilvusHashError as error:
        return Finding("milvus-lite", "broken" if needed else "note", str(error))
    return Finding("milvus-lite", "ok", f"{lite.version()}: {cost}")


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


def _milvus(
    connection: Connection, encoder: Encoder | None, collection: str | None, *, repairing: bool
) -> Iterator[Finding]:
    from milvus_hash.health import examine
    from milvus_hash.store.connection import Connection as Link
    from milvus_hash.store.features import features, server_version
    from milvus_hash.store.proxy import proxy_hint

    options = connection.kwargs()
    options["timeout"] = min(connection.timeout, _SECONDS)
    try:
        link = Link(**options)
    except MilvusHashError as error:
        yield Finding("milvus", "broken", str(error))
        return
    if through := proxy_hint(link.address.host):
        yield Finding("proxy", "note", through)
    if link.lite and not Path(link.address.uri).exists():
        yield Finding("milvus", "note", f"{link.uri} is not there yet; milvus-hash ingest makes it")
        return
    try:
        version = server_version(link)
        names = link.call("listing collections", "list_collections")
        yield Finding("milvus", "ok", f"{version} at {link.uri}, {len(names)} collections")
        yield _features(features(link, version))
        if collection is not None:
            if repairing:
                yield _repaired(connection, collection)
            yield from _collection(collection, examine(collection, encoder, **options))
    except MilvusHashError as error:
        yield Finding("milvus", "broken", str(error))
    finally:
        link.close()


def _repaired(connection: Connection, collection: str) -> Finding:
    """What was made again; it may take longer than looking does."""
    from milvus_hash.store.connection import Connection as Link
    from milvus_hash.store.repair import repair

    with closing(Link(**connection.kwargs())) as link:
        made = repair(link, collection, say)
    return Finding("repair", "ok", f"made {' and '.join(made)}" if made else "there was nothing to make")


def _features(found: Sequence[Feature]) -> Finding:
    def those(*, tried: bool) -> str:
        return ", ".join(f"{one.name} {'yes' if one.there else 'no'}" for one in found if one.tried is tried)

    by_version = those(tried=False)
    return Finding(
        "features", "ok", f"tried: {those(tried=True)}" + (f"; by version: {by_version}" if by_version else "")
    )


def _collection(asked: str, health: Health) -> Iterator[Finding]:
    broken = [problem for problem in health.problems if problem.broken]
    if not broken and health.made_by is not None:
        yield Finding("collection", "ok", _summary(asked, health, health.made_by))
    for problem in broken:
        yield Finding("collection", "broken", f"{problem.name}: {problem.detail}")
    if health.index:
        yield Finding("index", "ok", _index(health))
    for modality, use in health.codes.items():
        yield Finding(f"{modality} codes", "ok", _bit_use(use))
    for problem in health.problems:
        if not problem.broken:
            yield Finding(problem.name, "note", problem.detail)
    if health.latency is not None:
        yield from _latency(health.latency)


def _summary(asked: str, health: Health, made_by: Provenance) -> str:
    name = health.name if health.name == asked else f"{asked}, an alias of {health.name}"
    rows = ", ".join(f"{count:,} {modality}" for modality, count in health.rows.items()) or "none"
    rows = rows if health.loaded else "not counted"
    return f"{name}: {made_by.bits} bits of bundle {made_by.bundle}, fingerprint {made_by.fingerprint}; rows: {rows}"


def _index(health: Health) -> str:
    index = health.index
    numbers = [f"{name} {index[name]}" for name in ("nlist", "M", "efConstruction") if name in index]
    kind = ", ".join([index["index_type"], *numbers, index["metric_type"]])
    return f"{kind}; {'loaded' if health.loaded else 'not loaded'}"


def _bit_use(use: BitUse) -> str:
    off = abs(use.ones - 0.5)
    return (
        f"of {use.codes:,}: set in {use.ones.min():.0%} to {use.ones.max():.0%} of them by bit, {off.mean():.2f} off "
        f"balance in the mean; entropy {use.entropy.sum():.1f} of {len(use.ones)} bits; {use.constant} constant bits; "
        f"{use.duplicates:.1%} repeat another code"
    )


def _latency(latency: Latency) -> Iterator[Finding]:
    asked = latency.encode.get("text", 0.0) + latency.search
    yield Finding(
        "latency", "ok", f"{_ms(asked)} {'from a text' if 'text' in latency.encode else 'from a code'} to hits"
    )
    for modality, seconds in latency.encode.items():
        yield Finding(f"latency/{modality}", "ok", f"{_ms(seconds)} to encode one")
    yield Finding("latency/search", "ok", f"{_ms(latency.search)}, the ten nearest rows to one code")
    yield Finding("latency/search/network", "ok", f"{_ms(latency.network)}, of these for a call that reads nothing")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
