"""Answers and hits as HTML that needs no other file and runs nothing."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from milvus_hash.sheet.card import ACCENT, CARD, EDGE, GONE, INK, KINDS, PAPER, SIDE, SOFT, caption, plain, thumbnails

if TYPE_CHECKING:
    from milvus_hash.query.hits import Hit
    from milvus_hash.sheet.answer import Answer

_FRAMES, _FRAME_TIME = 12, 160  # of a clip's loop on the page: how many, and how many milliseconds each

# All below one class, as it may stand in a page of others.
_CARDS = f"""
.mh-cards{{display:grid;grid-template-columns:repeat(auto-fill,minmax(196px,1fr));gap:14px;align-content:start;
color:{INK};font:15px/1.4 system-ui,sans-serif}} .mh-cards *{{box-sizing:border-box}}
.mh-cards figure{{margin:0;padding:10px;background:{CARD};border:1px solid {EDGE};border-radius:8px;min-width:0}}
.mh-cards .box{{display:flex;aspect-ratio:1;overflow:hidden;align-items:center;justify-content:center}}
.mh-cards .box p{{margin:0;align-self:flex-start;width:100%;max-height:100%;overflow:auto;overflow-wrap:anywhere}}
.mh-cards img{{width:100%;height:100%;object-fit:contain}} .mh-cards .gone{{background:{PAPER};color:{SOFT}}}
.mh-cards figcaption{{margin-top:8px;font-size:13px}} .mh-cards .none{{color:{SOFT}}}
.mh-cards b{{display:block;font-weight:500;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}}
.mh-cards span{{color:{SOFT};font-size:12px}}
"""
_PAGE = f"""
*{{box-sizing:border-box}}
body{{margin:0;padding:28px;background:{PAPER};color:{INK};font:15px/1.4 system-ui,sans-serif}}
section{{display:grid;grid-template-columns:220px 1fr;gap:24px;padding:24px 0;border-bottom:1px solid {EDGE}}}
section:last-child{{border:0}} h2{{margin:6px 0;font-size:22px;line-height:1.25;overflow-wrap:anywhere}}
.kind{{color:{ACCENT};font-size:12px;letter-spacing:.06em}}
@media(max-width:640px){{section{{grid-template-columns:1fr}}}}
"""


def page(answers: Sequence[Answer]) -> str:
    """A page with the answers below each other; clips are loops of some frames."""
    sections = "\n".join(_section(answer) for answer in answers)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>milvus-hash: hits</title>'
        f"<style>{_PAGE}{_CARDS}</style></head>\n<body>\n{sections}\n</body></html>\n"
    )


def cards(hits: Iterable[Hit]) -> str:
    """A part of a page with a card for each hit; of a clip it shows the frame in the middle."""
    return f"<style>{_CARDS}</style>{_cards(_figure(hit, frames=1) for hit in hits)}"


def _section(answer: Answer) -> str:
    modality, source = answer.asked
    asked = f'<div class="kind">QUERY · {KINDS[modality]}</div>'
    if modality == "text":
        asked += f"<h2>{escape(plain(source))}</h2>"
    else:
        box = _box(modality, source, _FRAMES)
        asked += _cards([f"<figure>{box}{_names(Path(source).name, '')}</figure>"])
    return f"<section><div>{asked}</div>{_cards(_figure(hit, _FRAMES) for hit in answer.hits)}</section>"


def _cards(figures: Iterable[str]) -> str:
    inside = "".join(figures) or '<p class="none">no hits</p>'
    return f'<div class="mh-cards">{inside}</div>'


def _figure(hit: Hit, frames: int) -> str:
    if hit.modality == "text":
        box = f'<div class="box"><p>{escape(plain(str(hit.fields.get("text", ""))))}</p></div>'
    else:
        box = _box(hit.modality, str(hit.fields.get("path", "")), frames)
    return f"<figure>{box}{_names(hit.item, caption(hit))}</figure>"


def _names(name: str, below: str) -> str:
    shown = escape(plain(name))
    return f'<figcaption><b title="{shown}">{shown}</b><span>{below}</span></figcaption>'


def _box(modality: str, path: str, frames: int) -> str:
    pictures = thumbnails(modality, path, 2 * SIDE, frames)  # sharp on screens of double density
    if not pictures:
        return f'<div class="box gone">{GONE[modality]}</div>'
    data = io.BytesIO()
    kind = "jpeg" if len(pictures) == 1 else "webp"
    if len(pictures) == 1:
        pictures[0].save(data, format=kind, quality=88)
    else:  # a loop that every browser plays, which cannot be said of every film
        loop = {"save_all": True, "append_images": pictures[1:], "duration": _FRAME_TIME, "loop": 0}
        pictures[0].save(data, format=kind, quality=70, method=2, **loop)
    source = base64.b64encode(data.getvalue()).decode()
    return f'<div class="box"><img alt="" src="data:image/{kind};base64,{source}"></div>'
