"""``milvus-hash eval``: how good the codes of bundles are on a manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milvus_hash.cli.options import FILE, Model, examples, lengths, quiet_option, say
from milvus_hash.cli.output import emit

if TYPE_CHECKING:
    from milvus_hash.evaluate.report import Report
    from milvus_hash.record import Reject

_K = 10
_REPORT = ("task", "bits", "queries", "database", "map", "precision")
_PAIRS = (1, 5, 10)
_COMPARISON = ("task", "bits", "method", "by", "map", "map_of_float", "hit", "hit_of_float")


@click.command(
    epilog=examples(
        "milvus-hash eval bundles/clipart clipart.jsonl",
        "milvus-hash eval bundles/clipart clipart.jsonl --bits 16,32,64 --out reports/clipart",
        "milvus-hash eval bundles/dsmhn bundles/tvdb clipart.jsonl --baselines --out reports/methods",
    )
)
@click.argument("bundles", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("manifest", type=click.Path(exists=True, path_type=Path))
@click.option("--bits", callback=lengths, help="Lengths to measure, such as 16,32,64.  [default: all of each bundle]")
@click.option("--baselines", is_flag=True, help="Compare with float vectors, CCA, CCA-ITQ, hyperplanes and signs.")
@click.option("--out", type=FILE, help="Folder for the report as JSON, Markdown and picture.")
@click.option("--provider", "providers", multiple=True, metavar="NAME", help="onnxruntime execution provider.")
@click.option("--threads", type=click.IntRange(min=0), default=0, help="Threads of onnxruntime.  [default: all cores]")
@quiet_option
@click.pass_context
def command(
    ctx: click.Context,
    bundles: tuple[Path, ...],
    manifest: Path,
    bits: tuple[int, ...] | None,
    baselines: bool,
    out: Path | None,
    providers: tuple[str, ...],
    threads: int,
    quiet: bool,
) -> None:
    """Measure the codes of one or more BUNDLES on the query and database splits of MANIFEST.

    mAP by labels is over the whole ranking of the database, with ties in expectation. R@k is one to one: pictures and
    their texts within the query split, which needs neither labels nor a database. The report says the convention of
    every figure.

    Baselines are fitted to the train split, on the frozen features of the first bundle.
    """
    encoders = [Model(bundle, providers, threads).load() for bundle in bundles]
    paths: tuple[Path, ...] = ()
    if len(encoders) == 1 and not baselines:
        from milvus_hash.evaluate.report import evaluate
        from milvus_hash.evaluate.write import write

        with _bar(quiet=quiet) as progress:
            report = evaluate(encoders[0], manifest, bits=bits, progress=progress)
        emit(_rows(report), {**dict(map(_column, _REPORT)), **dict(map(_pairs_column, _PAIRS))})
        if out is not None:
            paths = write(report, out)
        rejects, notes = report.rejects, report.notes
    else:
        from milvus_hash.evaluate.compare import compare
        from milvus_hash.evaluate.write_comparison import write_comparison

        with _bar(quiet=quiet) as progress:
            table = compare(encoders, manifest, bits=bits, baselines=baselines, progress=progress)
        emit((line.row() for line in table.lines), dict(map(_column, _COMPARISON)))
        if out is not None:
            paths = write_comparison(table, out)
        rejects = tuple(reject for report in table.reports.values() for reject in report.rejects)
        notes = table.notes
    say("\n".join(notes), quiet=quiet or not notes)
    say("\n".join(f"report: {path}" for path in paths), quiet=quiet or not paths)
    _end(ctx, rejects, out)


def _column(name: str) -> tuple[str, Callable[[Mapping[str, Any]], Any]]:
    """A column of the table; of a figure at several k, the one at 10."""
    if name in ("precision", "hit", "hit_of_float"):
        return f"{name}@{_K}", lambda row: row.get(name, {}).get(_K)
    return name, lambda row: row.get(name)


def _pairs_column(k: int) -> tuple[str, Callable[[Mapping[str, Any]], Any]]:
    return f"R@{k}", lambda row: row["pairs"] and row["pairs"]["hit"].get(k)


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    """A row for each task and length: figures by labels, where there are labels, and ``pairs``, those one to one."""
    tasks = {(task.task, task.bits): asdict(task) for task in report.tasks}
    pairs = {(pairs.task, pairs.bits): asdict(pairs) for pairs in report.pairs}
    for task, bits in dict.fromkeys([*tasks, *pairs]):
        yield {"task": task, "bits": bits, **tasks.get((task, bits), {}), "pairs": pairs.get((task, bits))}


def _end(ctx: click.Context, rejects: Sequence[Reject], out: Path | None) -> None:
    if rejects:
        where = "; report.json lists them" if out else "; --out writes a report that lists them"
        say(f"{len(rejects):,} inputs were rejected{where}")
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
