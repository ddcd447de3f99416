"""``milvus-hash delete``: rows of a collection, by item or by filter."""

from __future__ import annotations

from contextlib import closing
from operator import itemgetter

import click

from milvus_hash.cli.options import (
    MODALITY,
    Connection,
    collection_option,
    connection_options,
    examples,
    quiet_option,
    say,
)
from milvus_hash.cli.output import emit
from milvus_hash.names import ModalityName


@click.command(
    epilog=examples(
        "milvus-hash delete birds/wren.jpg birds/owl.jpg",
        "milvus-hash delete birds/wren.jpg --modality text --collection clipart",
        "milvus-hash delete --filter 'year < 1990' --dry-run",
    )
)
@click.argument("items", nargs=-1)
@click.option("--filter", "condition", default="", help="Only rows that meet this Milvus expression over the metadata.")
@click.option("--modality", type=MODALITY, help="Only rows of this modality.  [default: all]")
@click.option("--dry-run", is_flag=True, help="Count the rows, and leave them.")
@collection_option
@connection_options
@quiet_option
def command(
    items: tuple[str, ...],
    condition: str,
    modality: ModalityName | None,
    dry_run: bool,
    collection: str,
    connection: Connection,
    quiet: bool,
) -> None:
    """Delete the rows of ITEMS, or with --filter those that meet it; with both, the rows of ITEMS that do.

    An item that is not there is none to delete, and no error. There is no way back but to ingest again.
    """
    from milvus_hash.query.delete import delete, to_delete
    from milvus_hash.store.catalog import read
    from milvus_hash.store.connection import Connection as Link
    from milvus_hash.store.consistency import Consistency

    if not items and not condition.strip():
        raise click.UsageError("which rows? name items, or give a --filter")
    with closing(Link(**connection.kwargs())) as link:
        which = (read(link, collection).target(), items or None, modality, condition)
        strong = Consistency("Strong")
        rows = len(link.run(to_delete(*which), strong)) if dry_run else link.run(delete(*which), strong)
    columns = {name: itemgetter(name) for name in ("collection", "rows", "deleted")}
    emit([{"collection": collection, "rows": rows, "deleted": not dry_run}], columns)
    if dry_run:
        say("nothing was deleted: leave --dry-run out to do so", quiet=quiet)
