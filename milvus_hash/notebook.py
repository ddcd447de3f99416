"""What notebooks show of hits, collections, encoders and bundles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from milvus_hash.query.hits import Hit

_CARDS = 24  # hits that are shown: half a megabyte of a notebook


def hits_html(hits: Sequence[Hit], pictures: Sequence[str | Path] | None = None) -> str:
    """The hits as cards, the first 24 of them; see :meth:`milvus_hash.query.hits.Hits.to_html`."""
    from milvus_hash.sheet import allowed, permitted
    from milvus_hash.sheet.html import cards

    first = hits[:_CARDS]
    shown, elsewhere = permitted(first, allowed([Path.cwd()] if pictures is None else pictures))
    notes = [f"and {len(hits) - len(first):,} more"] if len(hits) > len(first) else []
    if elsewhere:
        where = "outside the working directory" if pictures is None else "elsewhere"
        notes.append(
            f"{elsewhere:,} of the files lie {where} and are not opened: IPython.display.HTML(hits.to_html(pictures="
            "['FOLDER'])) shows those in a folder"
        )
    return cards(shown) + "".join(f"<p>{escape(note)}</p>" for note in notes)


def about_html(title: str, rows: Mapping[str, object]) -> str:
    """A table of names and values under a title; all of them are texts, whatever they say."""
    from milvus_hash.sheet.card import plain

    lines = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(plain(str(rows[name])))}</td></tr>"
        for name in rows
    )
    return f"<div><code>{escape(plain(title))}</code><table>{lines}</table></div>"
