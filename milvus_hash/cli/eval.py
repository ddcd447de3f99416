"""``milvus-hash eval``: how good the codes of a bundle are on a manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from typing import Any

import click

from milvus_hash.cli.options import FILE, Model, examples, lengths, quiet_option, say
from milvus_hash.cli.output import emit

_COLUMNS = ("task", "bits", "queries", "database", "map")


@click.command(
    epilog=examples(
        "milvus-hash eval bundles/clipart clipart.jsonl",
        "milvus-hash eval bundles/clipart clipart.jsonl --bits 16,32,64 --out reports/clipart",
    )
)
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("manifest", type=click.Path(exists=True, path_type=Path))
@click.option("--bits", callback=lengths, help="Lengths to measure, such as 16,32,64.  [default: all of the bundle]")
@click.option("--out", type=FILE, help="Folder for report.json, report.md and report.png.")
@click.option("--provider", "providers", multiple=True, metavar="NAME", help="onnxruntime execution provider.")
@click.option("--threads", type=click.IntRange(min=0), default=0, help="Threads of onnxruntime.  [default: all cores]")
@quiet_option
@click.pass_context
def command(
    ctx: click.Context,
    bundle: Path,
    manifest: Path,
    bits: tuple[int, ...] | None,
    out: Path | None,
    providers: tuple[str, ...],
    threads: int,
    quiet: bool,
) -> None:
    """Measure the codes of BUNDLE on the query and database splits of MANIFEST.

    mAP is over the whole ranking, with ties in expectation; the report says the convention of every figure.
    """
    from milvus_hash.evaluate.report import evaluate
    from milvus_hash.evaluate.write import write

    encoder = Model(bundle, providers, threads).load()
    with _bar(quiet=quiet) as progress:
        report = evaluate(encoder, manifest, bits=bits, progress=progress)
    columns: dict[str, Callable[[Mapping[str, Any]], Any]] = {name: itemgetter(name) for name in _COLUMNS}
    columns["precision@10"] = lambda row: row["precision"].get(10)
    emit(map(asdict, report.tasks), columns)
    if out is not None:
        say("\n".join(f"report: {path}" for path in write(report, out)), quiet=quiet)
    if report.rejects:
        where = f"; {out / 'report.json'} lists them" if out else "; --out writes a report that lists them"
        say(f"{len(report.rejects):,} inputs were rejected{where}", quiet=quiet)
        ctx.exit(3)


@contextmanager
def _bar(*, quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """A bar on stderr; what is yielded takes the modality and the number of items done."""
    from tqdm import tqdm

    with tqdm(unit=" items", disable=True if quiet else None, leave=False) as bar:

        def advance(modality: str, done: int) -> None:
            bar.set_description(modality, refresh=False)
            bar.update(1)

        yield advance
