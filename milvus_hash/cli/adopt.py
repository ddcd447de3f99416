"""``milvus-hash adopt``: codes for a collection of float vectors that is there already."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milvus_hash.cli.ingest import progress_bar
from milvus_hash.cli.interrupt import Interrupt
from milvus_hash.cli.options import (
    FILE,
    INDEX,
    Connection,
    connection_options,
    examples,
    quiet_option,
    say,
)
from milvus_hash.cli.output import emit
from milvus_hash.errors import StoreError
from milvus_hash.names import IndexName

if TYPE_CHECKING:
    from milvus_hash.adopt import Changes, Report
    from milvus_hash.encoder import Encoder

_LEARNING = "Learning codes from a sample of up to {:,} rows; with thousands of them that takes a minute."
_GO_ON = "What Milvus had confirmed is there; run the same command again to go on."


@click.command(
    epilog=examples(
        "milvus-hash adopt articles --vector-field embedding --trial",
        "milvus-hash adopt articles --vector-field embedding --collection articles_codes --field year",
        "milvus-hash adopt articles --vector-field embedding --collection articles_codes --report",
        "milvus-hash adopt --collection articles_codes --sync",
    )
)
@click.argument("source", required=False)
@click.option("--vector-field", metavar="NAME", help="Field of SOURCE with the float vectors.")
@click.option("--collection", "-c", help="Name of the sidecar, the collection of codes.  [default: SOURCE_codes]")
@click.option("--bits", type=int, help="Code length.  [default: 256, or that of the bundle]")
@click.option(
    "--bundle",
    "-b",
    type=FILE,
    help="Folder of the bundle that makes the codes; learned from a sample and written if there is none.  "
    "[default: COLLECTION.bundle]",
)
@click.option("--field", "fields", multiple=True, metavar="NAME", help="Copy a scalar field, to filter by; repeat.")
@click.option("--pairs-field", default="", metavar="NAME", help="Learn what this other vector field agrees with.")
@click.option(
    "--index",
    type=INDEX,
    default="auto",
    show_default=True,
    help="Index of a new sidecar.",
)
@click.option("--sample", type=click.IntRange(min=1), default=20_000, show_default=True, help="Rows to learn from.")
@click.option("--trial", is_flag=True, help="Say what it would give, on a sample; write nothing.")
@click.option("--report", is_flag=True, help="Measure recall over all rows afterwards, which reads them once more.")
@click.option("--sync", "syncing", is_flag=True, help="Bring a sidecar that is there up to date.")
@click.option(
    "--rejects",
    type=FILE,
    default="rejects.jsonl",
    show_default=True,
    help="Where rows that no code can be made of are listed: id and reason.",
)
@connection_options
@quiet_option
@click.pass_context
def command(
    ctx: click.Context,
    source: str | None,
    vector_field: str | None,
    collection: str | None,
    bits: int | None,
    bundle: Path | None,
    fields: tuple[str, ...],
    pairs_field: str,
    index: IndexName,
    sample: int,
    trial: bool,
    report: bool,
    syncing: bool,
    rejects: Path,
    connection: Connection,
    quiet: bool,
) -> None:
    """Give the float collection SOURCE a sidecar of binary codes with the same keys.

    SOURCE is only read; it may change meanwhile. A sample of it is drawn to learn codes from, unless --bundle is
    there. A run that was interrupted goes on when it is started again, and a later run, or --sync, brings the sidecar
    up to its source: new, changed and deleted rows. Vectors that no code can be made of are listed in the rejects
    file, and the exit code is 3.
    """
    from milvus_hash import adopt
    from milvus_hash.ingest import RejectsFile

    if not syncing and not (source and vector_field):
        raise click.UsageError("name SOURCE and its --vector-field; only --sync can do without, given --collection")
    if syncing and not collection:
        raise click.UsageError("--sync needs --collection, the sidecar")
    collection = collection or f"{source}_codes"
    path = bundle or Path(f"{collection}.bundle")
    where = connection.kwargs()
    if trial:
        encoder = _load(path) if bundle is not None and bundle.exists() else None
        if encoder is None:
            say(_LEARNING.format(sample), quiet=quiet)
        _emit_report(
            adopt.trial(
                str(source),
                str(vector_field),
                bits=bits,
                encoder=encoder,
                pairs_field=pairs_field,
                rows=sample,
                **where,
            )
        )
        return
    try:
        with Interrupt() as interrupt, RejectsFile(rejects) as rejected, progress_bar(quiet=quiet) as progress:
            if syncing:
                changes = adopt.sync(
                    collection, _load(path), progress=progress, on_reject=rejected, stop=interrupt, **where
                )
            else:
                if not path.exists():
                    say(_LEARNING.format(sample), quiet=quiet)
                changes = adopt.adopt(
                    str(source),
                    str(vector_field),
                    collection=collection,
                    bundle_path=path,
                    bits=bits,
                    fields=fields or None,
                    pairs_field=pairs_field,
                    index=index,
                    sample=sample,
                    progress=progress,
                    on_reject=rejected,
                    stop=interrupt,
                    **where,
                )
    except StoreError:
        say(_GO_ON)
        raise
    say(_summary(changes, collection, path), quiet=quiet)
    if changes.rejected:
        say(f"{changes.rejected:,} rows were rejected; {rejects} lists them with the reasons")
    if interrupt():
        say(f"Interrupted. {_GO_ON}")
        ctx.exit(interrupt.exit_code)
    if report:
        with progress_bar(quiet=quiet) as progress:
            _emit_report(adopt.measure(collection, _load(path), progress=progress, **where))
    else:
        counts = asdict(changes)
        emit([counts], {name: itemgetter(name) for name in counts})
    ctx.exit(3 if changes.rejected else 0)


def _load(path: Path) -> Encoder:
    from milvus_hash.encoder import Encoder

    return Encoder.load(path)


def _summary(changes: Changes, collection: str, path: Path) -> str:
    return (
        f"{changes.added:,} rows added, {changes.changed:,} changed, {changes.deleted:,} deleted, "
        f"{changes.unchanged:,} unchanged: collection {collection!r}, bundle {path}"
    )


def _emit_report(report: Report) -> None:
    """The report as one JSON line; on a terminal as a table of the ways to search."""
    if not sys.stdout.isatty():
        emit([asdict(report)], {})
        return
    ways = {
        "float vectors, exact": (1.0, report.vector_bytes),
        "codes, Hamming distance": (report.raw, report.code_bytes),
        "codes, real-valued query": (report.asymmetric, report.code_bytes),
        f"codes, {report.oversample} x {report.k} rescored by vectors": (report.rescored, report.code_bytes),
    }
    columns: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "search": itemgetter("search"),
        f"recall@{report.k}": itemgetter("recall"),
        "bytes a row": itemgetter("bytes"),
    }
    emit([{"search": way, "recall": found, "bytes": size} for way, (found, size) in ways.items()], columns)
    size = f"{report.width} numbers to {report.bits} bits"
    click.echo(f"{report.metric}, {size}; {report.queries:,} queries among {report.rows:,} rows")
