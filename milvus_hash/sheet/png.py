"""Answers as one picture."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from milvus_hash.sheet.card import ACCENT, CARD, EDGE, GONE, INK, KINDS, PAPER, SIDE, SOFT, caption, plain, thumbnails

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    from milvus_hash.query.hits import Hit
    from milvus_hash.sheet.answer import Answer

    Font: TypeAlias = "ImageFont.FreeTypeFont | ImageFont.ImageFont"

_GAP, _PAD, _MARGIN = 14, 10, 28
_CAPTION = 44  # two lines below a thumbnail
_COLUMNS = 5
_ASK, _ASK_HEIGHT = 236, 240  # the question's column: its width, and the height that a picture or 7 lines take
_FONTS = ("NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial.ttf", "Arial Unicode.ttf")


def drawn(answers: Sequence[Answer]) -> Image.Image:
    """The sheet, its answers below each other."""
    from PIL import Image, ImageDraw

    cell_w, cell_h = SIDE + 2 * _PAD, SIDE + _CAPTION + 2 * _PAD
    rows = [-(-len(answer.hits) // _COLUMNS) for answer in answers]
    heights = [max(n * (cell_h + _GAP), _ASK_HEIGHT) for n in rows]
    width = 2 * _MARGIN + _ASK + _COLUMNS * (cell_w + _GAP) - _GAP
    sheet = Image.new("RGB", (width, 2 * _MARGIN + sum(heights) + _MARGIN * max(0, len(rows) - 1) - _GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for number, (answer, height) in enumerate(zip(answers, heights, strict=True)):
        if number:
            middle = top - (_MARGIN + _GAP) // 2
            draw.line((_MARGIN, middle, width - _MARGIN, middle), fill=EDGE)
        _draw_question(sheet, draw, answer, top)
        for index, hit in enumerate(answer.hits):
            row, column = divmod(index, _COLUMNS)
            corner = _MARGIN + _ASK + column * (cell_w + _GAP), top + row * (cell_h + _GAP)
            draw.rounded_rectangle((*corner, corner[0] + cell_w, corner[1] + cell_h), 8, fill=CARD, outline=EDGE)
            _draw_hit(sheet, draw, hit, (corner[0] + _PAD, corner[1] + _PAD))
        top += height + _MARGIN
    return sheet


@functools.cache
def _font(size: int) -> Font:
    """A font of the system with a wide choice of letters, else Pillow's own, which has ASCII only."""
    from PIL import ImageFont

    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _draw_question(sheet: Image.Image, draw: ImageDraw.ImageDraw, answer: Answer, top: int) -> None:
    modality, source = answer.asked
    draw.text((_MARGIN, top), f"QUERY · {KINDS[modality]}", font=_font(12), fill=ACCENT)
    if modality == "text":
        _write_lines(draw, plain(source), (_MARGIN, top + 24), _font(22), INK, width=_ASK - 24, lines=7)
    else:
        _paste(sheet, draw, modality, source, (_MARGIN, top + 24))
        _write_lines(draw, plain(Path(source).name), (_MARGIN, top + 32 + SIDE), _font(13), INK, width=SIDE, lines=1)
    if not answer.hits:
        draw.text((_MARGIN + _ASK, top + 24), "no hits", font=_font(18), fill=SOFT)


def _draw_hit(sheet: Image.Image, draw: ImageDraw.ImageDraw, hit: Hit, corner: tuple[int, int]) -> None:
    if hit.modality == "text":
        _write_lines(draw, plain(str(hit.fields.get("text", ""))), corner, _font(15), INK, width=SIDE, lines=9)
    else:
        _paste(sheet, draw, hit.modality, str(hit.fields.get("path", "")), corner)
    left, below = corner[0], corner[1] + SIDE + 8
    _write_lines(draw, plain(hit.item), (left, below), _font(13), INK, width=SIDE, lines=1, middle=True)
    draw.text((left, below + 19), caption(hit), font=_font(12), fill=SOFT)


def _paste(sheet: Image.Image, draw: ImageDraw.ImageDraw, modality: str, path: str, corner: tuple[int, int]) -> None:
    if pictures := thumbnails(modality, path, SIDE):
        sheet.paste(pictures[0], corner)
        return
    left, top = corner
    draw.rectangle((left, top, left + SIDE, top + SIDE), fill=PAPER)
    draw.text((left + SIDE / 2, top + SIDE / 2), GONE[modality], font=_font(14), fill=SOFT, anchor="mm")


def _write_lines(
    draw: ImageDraw.ImageDraw,
    text: str,
    corner: tuple[int, int],
    font: Font,
    colour: str,
    *,
    width: int,
    lines: int,
    middle: bool = False,
) -> None:
    """Write ``text`` in up to ``lines`` lines of ``width`` pixels; what does not fit becomes an ellipsis."""
    wrapped = [_shorten(text, font.getlength, width)] if middle else _wrap(text, font.getlength, width, lines)
    draw.multiline_text(corner, "\n".join(wrapped), font=font, fill=colour, spacing=5)


def _shorten(text: str, measure: Callable[[str], float], width: float) -> str:
    """``text`` with its middle left out, so that both ends of a long id can be read."""
    keep = len(text)
    shown = text
    while keep > 1 and measure(shown) > width:
        keep -= 1
        shown = f"{text[: keep // 2]}…{text[len(text) - (keep - keep // 2) :]}"
    return shown


def _wrap(text: str, measure: Callable[[str], float], width: float, lines: int) -> list[str]:
    out: list[str] = []
    words = text.split(" ")
    line = ""
    while words:
        word = words.pop(0)
        longer = f"{line} {word}" if line else word
        if measure(longer) <= width:
            line = longer
            continue
        if not line:  # a single word that is too wide: break it where the line ends
            cut = next((n for n in range(len(word), 1, -1) if measure(word[:n]) <= width), 1)
            line, rest = word[:cut], word[cut:]
            words.insert(0, rest)
        else:
            words.insert(0, word)
        if len(out) == lines - 1:
            while line and measure(f"{line}…") > width:
                line = line[:-1]
            return [*out, f"{line}…"]
        out.append(line)
        line = ""
    return [*out, line]
