"""``milvus-hash alias``: which collection stands behind a name, and moving the name to another one."""

from __future__ import annotations

from dataclasses import asdict
from operator import itemgetter

import click

from milvus_hash.cli.options import (
    Connection,
    Model,
    connection_options,
    examples,
    model_options,
    quiet_option,
    say,
)
from milvus_hash.cli.output import emit
from milvus_hash.media.modalities import MODALITIES


def _rows(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, int] | None:
    """``image=1000`` as a modality and its rows."""
    rows: dict[str, int] = {}
    for value in values:
        modality, _, number = value.partition("=")
        if modality not in MODALITIES or not number.isdecimal():
            raise click.BadParameter(f"{value!r} is not MODALITY=ROWS, for instance image=1000")
        rows[modality] = int(number)
    return rows or None


@click.command(
    epilog=examples(
        "milvus-hash alias --uri http://localhost:19530",
        "milvus-hash alias clipart --to clipart_2 --bundle bundles/clipart-2 --uri http://localhost:19530",
        "milvus-hash alias clipart --to clipart_2 --bundle bundles/clipart-2 --at-least image=20000",
    )
)
@click.argument("name", required=False)
@click.option("--to", metavar="COLLECTION", help="Make NAME stand for this collection, once it has been verified.")
@click.option(
    "--at-least",
    multiple=True,
    callback=_rows,
    metavar="MODALITY=ROWS",
    help="Rows that the new collection must have, in place of those of the old one; may be repeated.",
)
@click.option("--force", is_flag=True, help="Switch although rows are missing.")
@model_options
@connection_options
@quiet_option
def command(
    name: str | None,
    to: str | None,
    at_least: dict[str, int] | None,
    force: bool,
    model: Model,
    connection: Connection,
    quiet: bool,
) -> None:
    """List the aliases of a server, or switch one to another collection.

    A switch is for codes of a new bundle: ingest them into a new collection while the old one answers, then move the
    alias that applications open. The bundle is the one that the new collection's codes were made with. The old
    collection stays.
    """
    from milvus_hash.aliases import list_aliases, switch_alias

    if to is None and (at_least or force):
        raise click.UsageError("--at-least and --force go with --to COLLECTION")
    if to is not None and name is None:
        raise click.UsageError("which alias? milvus-hash alias NAME --to COLLECTION")
    if name is None or to is None:
        found = [
            {"alias": alias, "collection": behind} for alias, behind in list_aliases(**connection.kwargs()).items()
        ]
        columns = {column: itemgetter(column) for column in ("alias", "collection")}
        emit([row for row in found if name in (None, row["alias"])], columns)
        return
    done = switch_alias(name, to=to, encoder=model.load(), at_least=at_least, force=force, **connection.kwargs())
    emit([asdict(done)], {column: itemgetter(column) for column in ("alias", "collection", "before", "rows")})
    for problem in done.problems:
        say(f"overridden: {problem}", quiet=quiet)
    if done.before not in (None, to):
        say(f"{done.before} is still there; drop it by its name once nothing asks it any more", quiet=quiet)
