"""``milvus-hash tune``: the index and its effort for a wanted recall."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from typing import Any

import click

from milvus_hash.cli.options import FILE, MODALITY, Connection, connection_options, examples, quiet_option, say
from milvus_hash.cli.output import emit
from milvus_hash.names import ModalityName
from milvus_hash.tuning.result import Tuning


@click.command(
    epilog=examples(
        "milvus-hash tune clipart --recall 0.99 --uri http://localhost:19530",
        "milvus-hash tune clipart --recall 0.95 --limit 100 --picture curve.png",
        "milvus-hash tune clipart --keep-index        while others are searching",
    )
)
@click.argument("collection")
@click.option(
    "--recall", type=click.FloatRange(0, 1, min_open=True), default=0.99, show_default=True, help="Recall to reach."
)
@click.option(
    "--limit", "-n", type=click.IntRange(1, 16383), default=10, show_default=True, help="Hits per search, as yours."
)
@click.option("--into", type=MODALITY, help="What is searched.  [default: most rows]")
@click.option(
    "--queries", type=click.IntRange(20, 100_000), default=2000, show_default=True, help="Stored rows to ask with."
)
@click.option("--keep-index", is_flag=True, help="Do not build the index anew; fit how hard it looks.")
@click.option(
    "--lists",
    type=click.IntRange(1, 65536),
    multiple=True,
    metavar="N",
    help="Build BIN_IVF_FLAT with so many lists; may be repeated.  [default: two that suit the rows]",
)
@click.option("--picture", type=FILE, metavar="PNG", help="Draw recall against time.")
@connection_options
@quiet_option
def command(
    collection: str,
    recall: float,
    limit: int,
    into: ModalityName | None,
    queries: int,
    keep_index: bool,
    lists: tuple[int, ...],
    picture: Path | None,
    connection: Connection,
    quiet: bool,
) -> None:
    """Fit the index of COLLECTION to a recall, and store the choice with it.

    The collection's own rows ask; half of them choose, the other half are the recall that is shown. Unless
    --keep-index is given, the index is built anew, and searches of everybody fail until it is there. Whatever ends the
    run early, the old index is put back; after a kill, the next run or doctor --repair does so.

    Every way to search that was measured is a line, the choice is marked; collections opened from now on search so.
    """
    from milvus_hash.store.connection import Connection as Link
    from milvus_hash.tuning import tune
    from milvus_hash.tuning.stored import stored_collection

    if picture is not None:
        from milvus_hash.extras import require

        require("matplotlib", "eval")  # before minutes of work
    with closing(Link(**connection.kwargs())) as link:
        tuning = tune(
            stored_collection(link, collection),
            recall=recall,
            limit=limit,
            into=into,
            queries=queries,
            keep_index=keep_index,
            lists=lists or None,
            progress=lambda remark: say(remark, quiet=quiet),
        )
    columns: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "index": itemgetter("index"),
        "built with": lambda row: _pairs(row["build"]),
        "searched with": lambda row: _pairs(row["search"]),
        "recall": itemgetter("recall"),
        "ms": itemgetter("milliseconds"),
        "": lambda row: "chosen" if row["chosen"] else "",
    }
    emit(_rows(tuning), columns)
    say(f"{tuning.queries} held-out queries, {tuning.limit} hits each: {tuning.remark}", quiet=quiet)
    if picture is not None:
        from milvus_hash.tuning.picture import draw

        draw(tuning, picture)
        say(f"picture: {picture}", quiet=quiet)


def _rows(tuning: Tuning) -> Iterator[dict[str, Any]]:
    for point in tuning.points:
        yield {
            "index": point.index.kind,
            "build": dict(point.index.build),
            "search": dict(point.index.search),
            "recall": point.recall,
            "milliseconds": point.milliseconds,
            "chosen": point == tuning.chosen,
        }


def _pairs(params: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in params.items())
