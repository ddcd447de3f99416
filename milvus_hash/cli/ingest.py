"""``milvus-hash ingest``: a folder or a manifest into a collection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from milvus_hash.cli.interrupt import Interrupt
from milvus_hash.cli.options import (
    FILE,
    INDEX,
    Connection,
    Model,
    collection_option,
    connection_options,
    examples,
    model_options,
    quiet_option,
    say,
)
from milvus_hash.cli.output import printable
from milvus_hash.errors import StoreError
from milvus_hash.names import IndexName

if TYPE_CHECKING:
    from milvus_hash.ingest import Counts

_KINDS_SHOWN = 10  # of what was left out
_PAUSE = 0.5  # seconds without a record, after which what has come is written and signals are heeded
_TYPES = {"str": str, "int": int, "float": float, "bool": bool}


def _fields(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, type]:
    """``("year:int",)`` as ``{"year": int}``."""
    fields = {}
    for value in values:
        name, _, kind = value.partition(":")
        if not name or kind not in _TYPES:
            raise click.BadParameter(f"{value!r} is not NAME:TYPE with one of the types {', '.join(_TYPES)}")
        if name in fields:
            raise click.BadParameter(f"{name!r} has two types; give it once")
        fields[name] = _TYPES[kind]
    return fields


@click.command(
    epilog=examples(
        "milvus-hash ingest my_pictures/",
        "milvus-hash ingest shop.parquet --collection shop --field price:float --field brand:str",
        "milvus-hash ingest shop.parquet --collection shop --resume",
        "milvus-hash ingest shop.parquet --uri http://localhost:19530 --index BIN_IVF_FLAT --bits 64",
    )
)
@click.argument("source", type=click.Path(exists=True, allow_dash=True, path_type=Path))
@model_options
@collection_option
@connection_options
@click.option("--bits", type=int, help="Code length, one that the bundle lists.  [default: the full length]")
@click.option(
    "--index",
    type=INDEX,
    default="auto",
    show_default=True,
    help="Index of a new collection: BIN_FLAT is exact, BIN_IVF_FLAT faster on a server with millions of rows, "
    "HNSW for servers that have it on codes.",
)
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME:TYPE",
    callback=_fields,
    help="Declare a metadata column of a new collection (str, int, float, bool); others stay dynamic.",
)
@click.option("--resume", is_flag=True, help="Leave out rows that are in the collection already.")
@click.option(
    "--rejects",
    type=FILE,
    default="rejects.jsonl",
    show_default=True,
    help="Where inputs that could not be used are listed: id, path, reason.",
)
@quiet_option
@click.pass_context
def command(
    ctx: click.Context,
    source: Path,
    model: Model,
    collection: str,
    connection: Connection,
    bits: int | None,
    index: IndexName,
    fields: dict[str, type],
    resume: bool,
    rejects: Path,
    quiet: bool,
) -> None:
    """Encode SOURCE and write the codes to Milvus.

    SOURCE is a folder of pictures, clips and texts, or a manifest (Parquet, JSON Lines or CSV with the columns id,
    image, video, text, labels, split; every other column is stored as metadata), or - for JSON Lines on standard
    input. The collection is made when it is not there.

    A bad input never stops the run: it is listed in the rejects file, and the exit code is 3. An interrupted run
    goes on with --resume.
    """
    from milvus_hash.ahead import ahead
    from milvus_hash.collection import HashCollection
    from milvus_hash.ingest import RejectsFile, ingest
    from milvus_hash.manifest import STDIN, read_source

    left_out: Counter[str] = Counter()
    records = ahead(read_source(source if source == STDIN else source.absolute(), left_out=left_out), pause=_PAUSE)
    with RejectsFile(rejects) as rejected:
        first = next(records, None)  # None where it has to be waited for; nothing is made for a source that is none
        target = HashCollection.open_or_create(
            collection,
            model.load(),
            bits=bits,
            index=index,
            fields=fields,
            **connection.kwargs(),
        )
        try:
            with Interrupt() as interrupt, progress_bar(quiet=quiet) as progress:
                counts = ingest(
                    chain([first], records),
                    target,
                    resume=resume,
                    progress=progress,
                    on_reject=rejected,
                    stop=interrupt,
                )
        except StoreError:
            say("What Milvus had confirmed is there; run the same command with --resume to go on.")
            raise
        finally:
            target.close()
    say(summary(counts, f"collection {collection!r} in {target.uri}"), quiet=quiet)
    if counts.cut:
        say(f"{counts.cut:,} texts are longer than the bundle reads: only their beginnings count", quiet=quiet)
    if counts.rejected:
        say(f"{counts.rejected:,} inputs were rejected; {rejects} lists them with the reasons")
    if left_out:
        say(f"left out of {source}: {counted(left_out)}", quiet=quiet)
    if interrupt():
        say("Interrupted. What was encoded is written; run the same command with --resume to go on.")
        ctx.exit(interrupt.exit_code)
    ctx.exit(3 if counts.rejected else 0)


def summary(counts: Counts, where: str) -> str:
    """What an ingest did, and where its time went."""
    seconds = counts.seconds
    rate = (counts.written + counts.rejected) / max(seconds.total, 1e-9)
    return (
        f"{counts.written:,} rows written, {counts.skipped:,} skipped, {counts.rejected:,} rejected: {where}\n"
        f"{seconds.total:.1f} s ({rate:,.0f} rows/s): {seconds.encode:.1f} s for codes (read, decode, encode), "
        f"{seconds.insert:.1f} s more for Milvus"
    )


def counted(left_out: Counter[str]) -> str:
    """What was left out, the most frequent first.

    Example:
        >>> counted(Counter({".pdf": 1200, ".md": 2}))
        '1,200 .pdf, 2 .md'
    """
    shown = [f"{count:,} {printable(what)}" for what, count in left_out.most_common(_KINDS_SHOWN)]
    others = left_out.total() - sum(count for _, count in left_out.most_common(_KINDS_SHOWN))
    return ", ".join([*shown, f"{others:,} others"] if others else shown)


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where stderr is a terminal; what is yielded takes the number of new rows."""
    from tqdm import tqdm

    with tqdm(unit=" rows", disable=True if quiet else None, leave=False) as bar:

        def advance(rows: int) -> None:
            bar.update(rows)

        yield advance
