"""``milvus-hash search``: words, pictures or clips in, hits out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from textwrap import shorten
from typing import Any

import click

from milvus_hash.cli.options import (
    FILE,
    Connection,
    Model,
    collection_option,
    connection_options,
    examples,
    model_options,
    quiet_option,
    say,
)
from milvus_hash.cli.output import emit, printable
from milvus_hash.record import MODALITIES
from milvus_hash.sheet import SUFFIXES, Answer, write_sheet

_TEXT_SHOWN = 60  # characters of a text in a table


def _sheet(ctx: click.Context, option: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a suffix that cannot be drawn before anything is searched."""
    if value is not None and value.suffix.lower() not in SUFFIXES:
        raise click.BadParameter(f"{value} ends in {value.suffix or 'nothing'!r}; {', '.join(SUFFIXES)} can be drawn")
    return value


@click.command(
    epilog=examples(
        'milvus-hash search --text "a red flower"',
        "milvus-hash search --image rose.png --into text --limit 3",
        'milvus-hash search --text "a waving hand" --into video',
        "milvus-hash search --text cat --text dog --filter 'licence == \"CC0\"' --sheet pets.html",
    )
)
@click.option("--text", "-t", "texts", multiple=True, metavar="TEXT", help="Ask with words; may be repeated.")
@click.option("--image", "-i", "images", multiple=True, type=FILE, help="Ask with a picture; may be repeated.")
@click.option("--video", "-v", "videos", multiple=True, type=FILE, help="Ask with a clip; may be repeated.")
@click.option("--into", type=click.Choice(MODALITIES), default="image", show_default=True, help="What to look for.")
@click.option("--limit", "-n", type=click.IntRange(1, 16384), default=10, show_default=True, help="Hits per question.")
@click.option("--filter", "expression", default="", metavar="EXPR", help="Milvus filter, for instance 'year > 2004'.")
@click.option("--sheet", type=FILE, callback=_sheet, help="Draw the hits as a contact sheet: FILE.png or FILE.html.")
@model_options
@collection_option
@connection_options
@quiet_option
def command(
    texts: tuple[str, ...],
    images: tuple[Path, ...],
    videos: tuple[Path, ...],
    into: str,
    limit: int,
    expression: str,
    sheet: Path | None,
    model: Model,
    collection: str,
    connection: Connection,
    quiet: bool,
) -> None:
    """Find the nearest rows of a collection for each question.

    Hits are ordered by Hamming distance, then by item. On a terminal they are a table; into a pipe they go as JSON
    lines with the keys query, rank, item, modality, ordinal, distance, score and fields.
    """
    from milvus_hash.collection import HashCollection

    asked = {"text": texts, "image": map(str, images), "video": map(str, videos)}
    questions: list[dict[str, Any]] = [{modality: source} for modality, sources in asked.items() for source in sources]
    if not questions:
        raise click.UsageError("ask something: --text TEXT, --image FILE or --video FILE (all may be repeated)")
    found = HashCollection.open(collection, model.load(), **connection.kwargs())
    try:
        answers = [
            Answer(found.search(**question, into=into, limit=limit, filter=expression), **question)
            for question in questions
        ]
    finally:
        found.close()
    emit_answers(answers)
    if sheet is not None:
        write_sheet(sheet, answers)
        say(f"contact sheet: {sheet}", quiet=quiet)


def emit_answers(answers: Sequence[Answer]) -> None:
    """All hits on stdout; on a terminal one table a question."""
    columns: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "distance": itemgetter("distance"),
        "score": itemgetter("score"),
        "item": itemgetter("item"),
        "text": lambda row: shorten(row["fields"].get("text", ""), _TEXT_SHOWN, placeholder="…"),
        "path": lambda row: row["fields"].get("path", ""),
    }
    if not sys.stdout.isatty():
        emit((row for answer in answers for row in _rows(answer)), columns)
        return
    for number, answer in enumerate(answers):
        if len(answers) > 1:
            click.secho(("\n" if number else "") + printable(answer.asked[1]), bold=True)
        emit(_rows(answer), columns)


def _rows(answer: Answer) -> Iterator[dict[str, Any]]:
    modality, source = answer.asked
    for rank, hit in enumerate(answer.hits, start=1):
        yield {
            "query": {modality: source},
            "rank": rank,
            "item": hit.item,
            "modality": hit.modality,
            "ordinal": hit.ordinal,
            "distance": hit.distance,
            "score": hit.score,
            "fields": hit.fields,
        }
