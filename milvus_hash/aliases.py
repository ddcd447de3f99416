"""Re-indexing without downtime: the alias that applications open, and the collection behind it.

A new bundle's codes go into a new collection while the old one answers; :func:`switch_alias` looks whether the new one
holds what it should, and then moves the alias. The old collection stays until someone drops it by its name.

A :class:`~milvus_hash.collection.HashCollection` that was opened by an alias stays with the collection that was
behind it then, since its encoder fits that one's codes; it goes on until it is opened again with the new bundle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from milvus_hash.arguments import check_encoder, check_mapping, plain
from milvus_hash.errors import StoreError
from milvus_hash.media.modalities import MODALITIES
from milvus_hash.query.filters import of_modality, rows_of_modality
from milvus_hash.query.nearest import nearest
from milvus_hash.query.rows import count, existing
from milvus_hash.query.scope import Scope
from milvus_hash.query.stored import as_bytes
from milvus_hash.store import catalog
from milvus_hash.store.call import Call, Result, Steps
from milvus_hash.store.connection import Connection
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.description import exists
from milvus_hash.store.target import CODE, Target

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from milvus_hash.encoder import Encoder
    from milvus_hash.store.address import ConnectionOptions

_SAMPLE = 200  # rows of each modality that are looked for in the new collection
_MAY_MISS = 0.01  # share of the sample that an approximate index may not find at distance 0


@dataclass(frozen=True, slots=True)
class Switch:
    """What :func:`switch_alias` did.

    Attributes:
        alias: The name that applications open.
        collection: What is behind it now.
        before: What was behind it; None for a new alias. It is still there.
        rows: Rows of the new collection by modality.
        rows_before: Rows of the old one.
        problems: What was found wrong and overridden by ``force``.
    """

    alias: str
    collection: str
    before: str | None
    rows: Mapping[str, int]
    rows_before: Mapping[str, int]
    problems: tuple[str, ...] = ()


def list_aliases(**connection: Unpack[ConnectionOptions]) -> dict[str, str]:
    """All aliases of the database and the collections behind them.

    Raises:
        StoreError: Milvus fails, or is Milvus Lite 2, which has no aliases.
    """
    with closing(Connection(**connection)) as link:
        _refuse_lite(link)
        names = link.call("listing aliases", "list_aliases")["aliases"]
        return {name: _behind(link, name) for name in sorted(names)}


@plain
def switch_alias(
    alias: str,
    *,
    to: str,
    encoder: Encoder,
    at_least: Mapping[str, int] | None = None,
    force: bool = False,
    **connection: Unpack[ConnectionOptions],
) -> Switch:
    """Make ``alias`` stand for collection ``to``, once that one is sure to hold what it should.

    Before that, ``to`` must prove itself: the bundle of ``encoder`` made its codes; it can be loaded, which is done;
    it has at least as many rows of each modality as the collection behind the alias now, or as ``at_least`` says;
    a sample of the old collection's rows is in it; and a sample of its own rows is found by their codes.

    Args:
        alias: The name that applications open; made if it is new.
        to: The new collection.
        encoder: The bundle that applications will open it with.
        at_least: Rows that it must have, by modality, in place of the old collection's numbers and rows.
        force: Switch although rows are missing or not found; the result names what was overridden.
        connection: Which server, as for :meth:`milvus_hash.HashCollection.create`.

    Raises:
        BundleMismatch: Another bundle made its codes; ``force`` does not help.
        StoreError: Rows are missing or not found; or the alias is the name of a collection, ``to`` is not one, Milvus
            fails, or it is Milvus Lite 2, which has no aliases. The alias is as it was.
        InputError: ``at_least`` names an unknown modality.

    Example:
        ::

            switch_alias("clipart", to="clipart_2", encoder=encoder, uri="http://localhost:19530")
    """
    check_encoder(encoder)
    if at_least is not None:
        check_mapping("at_least", at_least, '{"image": 20000}')
    with closing(Connection(**connection)) as link:
        _refuse_lite(link)
        return _switch(link, alias, to, encoder, at_least, force=force)


def _switch(
    connection: Connection, alias: str, to: str, encoder: Encoder, at_least: Mapping[str, int] | None, *, force: bool
) -> Switch:
    target = _open(connection, to, encoder)
    before = _before(connection, alias)
    rows = _run(connection, _rows(target))
    rows_before: dict[str, int] = {}
    if before == to:
        return Switch(alias, to, before, rows, rows)
    problems = list(_too_few(rows, at_least or {}, "asked for"))
    if before is not None and at_least is None:
        try:
            old = catalog.read(connection, before).target()
            rows_before = _run(connection, _rows(old))
            problems += [*_too_few(rows, rows_before, f"in {before!r}"), *_run(connection, _missing(old, target))]
        except StoreError as error:
            problems.append(f"{before!r} could not be compared ({error})")
    problems += _run(connection, _not_found(target))
    if problems and not force:
        raise StoreError(
            f"{alias!r} was not switched to {to!r}: {'; '.join(problems)}. Finish the ingest (--resume), say how many "
            "rows are enough (at_least, --at-least), or switch all the same (force, --force)"
        )
    method = "create_alias" if before is None else "alter_alias"
    connection.call(f"switching {alias!r} to {to!r}", method, collection_name=to, alias=alias)
    return Switch(alias, to, before, rows, rows_before, tuple(problems))


def _refuse_lite(connection: Connection) -> None:
    if connection.lite2:
        raise StoreError(
            f"{connection.uri} is a file of Milvus Lite 2, which has no aliases: have applications open the new "
            "collection by its own name, or use Milvus Lite 3 or a Milvus server"
        )


def _behind(connection: Connection, name: str) -> str:
    """The collection that ``name``, an alias or a collection, stands for."""
    found: str = connection.call(f"describing {name!r}", "describe_collection", name)["collection_name"]
    return found


def _open(connection: Connection, name: str, encoder: Encoder) -> Target:
    """The new collection, of the right bundle and loaded."""
    found = catalog.load(connection, name, encoder.bundle)
    if found.name != name:
        raise StoreError(f"{name!r} is an alias itself, of {found.name!r}: name the collection")
    return found.target()


def _before(connection: Connection, alias: str) -> str | None:
    """What is behind ``alias`` now."""
    if not exists(connection, alias):
        return None
    if (behind := _behind(connection, alias)) == alias:
        raise StoreError(
            f"{alias!r} is a collection, and an alias needs a name of its own: choose another one, or rename the "
            f"collection first (MilvusClient.rename_collection), for instance to '{alias}_1'"
        )
    return behind


def _run(connection: Connection, steps: Steps[Result]) -> Result:
    return connection.run(steps, Consistency())


def _rows(target: Target) -> Steps[dict[str, int]]:
    """Rows by modality; modalities without rows are left out."""
    rows: dict[str, int] = {}
    for modality in MODALITIES:
        if number := (yield from count(target, modality, "")):
            rows[modality] = number
    return rows


def _too_few(rows: Mapping[str, int], wanted: Mapping[str, int], where: str) -> Iterator[str]:
    for modality, number in wanted.items():
        of_modality(modality)
        if rows.get(modality, 0) < number:
            yield f"it has {rows.get(modality, 0):,} {modality} rows of {number:,} {where}"


def _missing(old: Target, new: Target) -> Steps[list[str]]:
    """What of a sample of the old collection's rows is not in the new one."""
    keys = []
    for modality in MODALITIES:
        keys += [row[old.pk] for row in (yield from _sample(old, modality))]
    lost = sorted(set(keys) - (yield from existing(new, keys)))
    return [f"{len(lost)} of {len(keys)} rows looked for are not there, such as {lost[0]!r}"] if lost else []


def _not_found(target: Target) -> Steps[list[str]]:
    """Whether rows of a sample are found by their own codes."""
    problems = []
    for modality in MODALITIES:
        sample = yield from _sample(target, modality)
        if not sample:
            continue
        codes = np.stack([np.frombuffer(as_bytes(row[CODE]), dtype=np.uint8) for row in sample])
        found = yield from nearest(target, codes, Scope(modality=modality), limit=1)
        missed = sum(not rows or rows[0].distance > 0 for rows in found)
        if missed > _MAY_MISS * len(sample):
            problems.append(f"{missed} of {len(sample)} {modality} rows looked for are not found by their own codes")
    return problems


def _sample(target: Target, modality: str) -> Steps[list[dict[str, Any]]]:
    arguments = {
        "collection_name": target.name,
        **rows_of_modality(target, modality, ""),
        "limit": _SAMPLE,
        "output_fields": [target.pk, CODE],
    }
    answer = yield Call(f"reading {target.name!r}", "query", arguments)
    return list(answer)
