"""A report as files: ``report.json`` for programs, ``report.md`` and ``report.png`` for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from milvus_hash.errors import InputError
from milvus_hash.evaluate.plots import draw
from milvus_hash.evaluate.report import Report

_SHOWN_REJECTS = 20  # in report.md; report.json has all


def write(report: Report, folder: Path | str) -> tuple[Path, Path, Path]:
    """Write ``report.json``, ``report.md`` and ``report.png`` into ``folder`` and return their paths.

    Raises:
        InputError: The folder cannot be written.
        MissingExtra: matplotlib is not installed; the other two files are there by then.
    """
    return write_files(Path(folder), "report", report.to_json(), to_markdown(report), partial(draw, report))


def write_files(
    folder: Path, name: str, json: str, markdown: str, draw_picture: Callable[[Path], None]
) -> tuple[Path, Path, Path]:
    """Write ``name`` as JSON, Markdown and picture into ``folder``, in this order; see :func:`write` for the errors."""
    paths = folder / f"{name}.json", folder / f"{name}.md", folder / f"{name}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths[0].write_text(json + "\n", encoding="utf-8")
        paths[1].write_text(markdown, encoding="utf-8")
        draw_picture(paths[2])
    except OSError as error:
        raise InputError(f"cannot write the {name} into {folder}: {error.strerror or error}") from error
    return paths


def to_markdown(report: Report) -> str:
    """The report as Markdown tables, with the meaning of each column below them."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {report.bundle} ({report.method}) on {Path(report.manifest).name}"
    yield f"\nFingerprint `{report.fingerprint}`.\n"
    ks = list(report.tasks[0].hit if report.tasks else report.pairs[0].hit if report.pairs else ())
    if report.tasks:
        yield "## Retrieval by labels\n"
        names = [f"{figure}@{k}" for figure in ("precision", "recall", "hit") for k in ks]
        yield from table(
            ["task", "bits", "queries", "queries_without_relevant", "database", "map", "95 % interval", *names],
            [
                (
                    *(t.task, t.bits, t.queries, t.queries_without_relevant, t.database, t.map, t.map_interval),
                    *(figure[k] for figure in (t.precision, t.recall, t.hit) for k in ks),
                )
                for t in report.tasks
            ],
        )
    if report.pairs:
        yield "\n## Pairs, one to one\n"
        yield from table(
            ["task", "bits", "queries", "candidates", *(name for k in ks for name in (f"hit@{k}", "95 % interval"))],
            [
                [p.task, p.bits, p.queries, p.candidates, *(cell for k in ks for cell in (p.hit[k], p.hit_interval[k]))]
                for p in report.pairs
            ],
        )
    if report.floats:
        yield "\n## Ranked with floats\n"
        yield from table(
            ["by", "task", "bits or numbers", "map", "95 % interval", *(f"pairs hit@{k}" for k in ks)],
            [[f.by, f.task, f.bits, f.map, f.map_interval, *(f.hit.get(k, "") for k in ks)] for f in report.floats],
        )
    if report.notes:
        yield "\n## Left out\n"
        yield from (f"- {note}" for note in report.notes)
    yield "\n## Bits of the codes\n"
    yield from table(
        ["modality", "bits", "codes", "ones (least to most)", "entropy", "correlation", "constant", "duplicates"],
        [
            (
                *(b.modality, b.bits, b.codes, f"{min(b.ones):.3f} to {max(b.ones):.3f}"),
                *(b.entropy, b.correlation, b.constant, b.duplicates),
            )
            for b in report.bits
        ],
    )
    yield "\n## Conventions\n"
    yield from (f"- **{name}**: {meaning}." for name, meaning in report.conventions.items())
    yield f"\nItems in both splits: {report.overlap:,}.\n\n## Rejects: {len(report.rejects):,}\n"
    for reject in report.rejects[:_SHOWN_REJECTS]:
        yield f"- {reject.id!r} ({reject.path!r}): {reject.reason}"
    if len(report.rejects) > _SHOWN_REJECTS:
        yield f"- and {len(report.rejects) - _SHOWN_REJECTS:,} more: see report.json"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """The lines of a Markdown table, numbers with four decimals, intervals as ``low to high``."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    yield from (f"| {' | '.join(map(_cell, row))} |" for row in rows)


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return " to ".join(map(_cell, value))
    return f"{value:.4f}" if isinstance(value, float) else str(value)
