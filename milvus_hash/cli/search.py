"""``milvus-hash search``: words, pictures or clips in, hits out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from milvus_hash.cli.nothing_found import why_nothing
from milvus_hash.cli.options import (
    FILE,
    MODALITY,
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
from milvus_hash.names import ModalityName
from milvus_hash.sheet import SUFFIXES, Answer, write_sheet

if TYPE_CHECKING:
    from milvus_hash.query import Hit

_TEXT_SHOWN = 60  # characters of a text in a table
_WITHOUT = -0.5  # weight of a text to go without: enough to turn away from it, and what was asked for stays ahead


def _sheet(ctx: click.Context, option: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a suffix that cannot be drawn before anything is searched."""
    if value is not None and value.suffix.lower() not in SUFFIXES:
        raise click.BadParameter(f"{value} ends in {value.suffix or 'nothing'!r}; {', '.join(SUFFIXES)} can be drawn")
    return value


@dataclass(frozen=True, slots=True)
class Question:
    """The parts of one question: sources by modality, and what it shall be without."""

    parts: Mapping[str, Sequence[str]]
    without: Sequence[str] = ()

    @property
    def asked(self) -> dict[str, Any]:
        """As the answer's JSON says it: ``{"text": "a cat"}``, or lists where there are several parts."""
        if self._alone:
            return {modality: sources[0] for modality, sources in self.parts.items()}
        without = {"without": self.without} if self.without else {}
        return {name: list(parts) for name, parts in {**self.parts, **without}.items()}

    @property
    def shown(self) -> dict[str, str]:
        """As a sheet shows it: the text, picture or clip, or words for several."""
        if self._alone:
            return self.asked
        parts = [source for sources in self.parts.values() for source in sources]
        return {"text": " ".join([" + ".join(parts), *(f"- {text}" for text in self.without)])}

    @property
    def arguments(self) -> dict[str, Any]:
        """As ``HashCollection.search`` takes it."""
        negative = [(text, _WITHOUT) for text in self.without]
        found = {modality: list(sources) for modality, sources in self.parts.items()}
        return {**found, "text": [*found.get("text", []), *negative]} if negative else found

    @property
    def _alone(self) -> bool:
        return not self.without and sum(map(len, self.parts.values())) == 1


@click.command(
    epilog=examples(
        'milvus-hash search --text "a red flower"',
        "milvus-hash search --image rose.png --into text --limit 3",
        'milvus-hash search --text "a waving hand" --into video',
        "milvus-hash search --text cat --text dog --filter 'licence == \"CC0\"' --sheet pets.html",
        "milvus-hash search --image rose.png --text yellow --without thorns --together",
        "milvus-hash search --text cat --rescore --by-item",
        "milvus-hash search --image rose.png --radius 4",
    )
)
@click.option("--text", "-t", "texts", multiple=True, metavar="TEXT", help="Ask with words; may be repeated.")
@click.option("--image", "-i", "images", multiple=True, type=click.Path(), help="Ask with a picture; may be repeated.")
@click.option("--video", "-v", "videos", multiple=True, type=click.Path(), help="Ask with a clip; may be repeated.")
@click.option("--without", multiple=True, metavar="TEXT", help="What a question shall not be; may be repeated.")
@click.option("--together", is_flag=True, help="One question of all that is given, instead of one each.")
@click.option("--into", type=MODALITY, default="image", show_default=True, help="What to look for.")
@click.option("--limit", "-n", type=click.IntRange(1, 16384), default=10, show_default=True, help="Hits per question.")
@click.option("--offset", type=click.IntRange(0, 16383), default=0, help="Hits to leave out before them.")
@click.option("--radius", type=click.IntRange(0), metavar="R", help="All hits within this Hamming distance instead.")
@click.option("--rescore", is_flag=True, help="Order hits by how sure the question is of each bit.")
@click.option("--oversample", type=click.IntRange(1), default=4, show_default=True, help="Rows per hit to rescore.")
@click.option("--by-item", is_flag=True, help="One hit an item: its best text, picture or clip.")
@click.option("--complete", is_flag=True, help="Also all other hits at the distance of the last one.")
@click.option("--filter", "expression", default="", metavar="EXPR", help="Milvus filter, for instance 'year > 2004'.")
@click.option("--sheet", type=FILE, callback=_sheet, help="Draw the hits as a contact sheet: FILE.png or FILE.html.")
@click.option(
    "--pictures",
    multiple=True,
    type=FILE,
    metavar="FOLDER",
    help="Where pictures and clips may lie that the sheet shows; may be repeated.  [default: the current folder]",
)
@model_options
@collection_option
@connection_options
@quiet_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    texts: tuple[str, ...],
    images: tuple[str, ...],
    videos: tuple[str, ...],
    without: tuple[str, ...],
    together: bool,
    into: ModalityName,
    radius: int | None,
    expression: str,
    sheet: Path | None,
    pictures: tuple[Path, ...],
    model: Model,
    collection: str,
    connection: Connection,
    quiet: bool,
    **how_many: Any,  # noqa: ANN401
) -> None:
    """Find the nearest rows of a collection for each question.

    Hits are ordered by Hamming distance, then by item; rescored ones by score. On a terminal they are a table; into
    a pipe they go as JSON lines with the keys query, rank, item, modality, ordinal, distance, score and fields.
    """
    from milvus_hash.collection import HashCollection

    sources = {"text": texts, "image": images, "video": videos}
    questions = _questions({modality: some for modality, some in sources.items() if some}, without, together)
    _check_options(ctx, radius)
    found = HashCollection.open(collection, model.load(), **connection.kwargs())
    try:
        if radius is None:
            ask: Callable[..., list[Hit]] = partial(found.search, **how_many)
        else:
            ask = partial(found.within, radius)
        answers = [
            Answer(ask(**question.arguments, into=into, filter=expression), **question.shown) for question in questions
        ]
        if not quiet and not all(answer.hits for answer in answers):
            numbers = [len(answer.hits) for answer in answers]
            say(why_nothing(found, numbers, into=into, condition=expression, radius=radius, offset=how_many["offset"]))
    finally:
        found.close()
    emit_answers(answers, [question.asked for question in questions])
    if sheet is not None:
        elsewhere = write_sheet(sheet, answers, pictures=pictures or [Path.cwd()])
        say(f"contact sheet: {sheet}", quiet=quiet)
        if elsewhere:
            say(
                f"it does not show {elsewhere:,} files outside {' '.join(map(str, pictures)) or Path.cwd()}; "
                "name their folders with --pictures",
                quiet=quiet,
            )


def _questions(sources: Mapping[str, Sequence[str]], without: Sequence[str], together: bool) -> list[Question]:
    if not sources:
        raise click.UsageError("ask something: --text TEXT, --image FILE or --video FILE (all may be repeated)")
    if together:
        return [Question(sources, without)]
    return [Question({modality: [source]}, without) for modality, some in sources.items() for source in some]


def _check_options(ctx: click.Context, radius: int | None) -> None:
    """Refuse options that would have no effect."""
    given = [name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    useless = [name for name in given if name in ("limit", "offset", "rescore", "oversample", "by_item", "complete")]
    if radius is not None and useless:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in useless)
        raise click.UsageError(f"--radius finds everything within it; leave out {options}")
    if "pictures" in given and "sheet" not in given:
        raise click.UsageError("--pictures goes with --sheet")
    if "oversample" in given and "rescore" not in given:
        raise click.UsageError("--oversample goes with --rescore")


def emit_answers(answers: Sequence[Answer], asked: Sequence[Mapping[str, Any]] | None = None) -> None:
    """All hits on stdout; on a terminal one table a question.

    Args:
        answers: What was found.
        asked: Each answer's question as JSON is to say it; by default its one text, picture or clip.
    """
    asked = [dict([answer.asked]) for answer in answers] if asked is None else asked
    columns: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "distance": itemgetter("distance"),
        "score": itemgetter("score"),
        "item": itemgetter("item"),
        "text": lambda row: shorten(row["fields"].get("text", ""), _TEXT_SHOWN, placeholder="…"),
        "path": lambda row: row["fields"].get("path", ""),
    }
    if not sys.stdout.isatty():
        emit((row for answer, query in zip(answers, asked, strict=True) for row in _rows(answer, query)), columns)
        return
    for number, (answer, query) in enumerate(zip(answers, asked, strict=True)):
        if len(answers) > 1:
            click.secho(("\n" if number else "") + printable(answer.asked[1]), bold=True)
        emit(_rows(answer, query), columns)


def _rows(answer: Answer, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for rank, hit in enumerate(answer.hits, start=1):
        yield {"query": dict(query), "rank": rank, **hit.to_dict()}
