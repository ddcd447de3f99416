"""A contact sheet: what was asked and what was found, as one PNG or as one HTML page with everything inside."""

from __future__ import annotations

import base64
import functools
import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from milvus_hash.errors import InputError, MissingExtra
from milvus_hash.inside import Inside

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    from milvus_hash.query import Hit

    Font: TypeAlias = "ImageFont.FreeTypeFont | ImageFont.ImageFont"

SUFFIXES = (".png", ".html")

_SIDE = 176  # of a thumbnail, in pixels
_GAP, _PAD, _MARGIN = 14, 10, 28
_CAPTION = 44  # two lines below a thumbnail
_COLUMNS = 5
_ASK, _ASK_HEIGHT = 236, 240  # the question's column: its width, and the height that a picture or 7 lines take
_PAPER, _CARD, _EDGE, _INK, _SOFT, _ACCENT = "#f4f5f7", "#ffffff", "#d9dee5", "#1c2530", "#66717f", "#0a62b5"
_FONTS = ("NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial.ttf", "Arial Unicode.ttf")
_KINDS = {"text": "TEXT", "image": "PICTURE", "video": "CLIP"}
_GONE = {"image": "no picture", "video": "no clip", "vector": "no picture"}
_FRAMES, _FRAME_TIME = 12, 160  # of a clip's loop on the page: how many, and how many milliseconds each
_SHOWN = 600  # characters of a text that can matter on a card


@dataclass(frozen=True, slots=True)
class Answer:
    """One question, a text or the path of a picture or clip, and its hits in their order."""

    hits: Sequence[Hit]
    text: str | None = None
    image: str | None = None
    video: str | None = None

    @property
    def asked(self) -> tuple[str, str]:
        """The question's modality, and the text or path."""
        if self.text is not None:
            return "text", self.text
        return ("image", self.image or "") if self.video is None else ("video", self.video)


def write_sheet(path: str | Path, answers: Sequence[Answer], *, pictures: Sequence[str | Path] = ()) -> int:
    """Draw ``answers`` below each other into ``path``: a PNG, or an HTML page that needs no other file.

    Of a clip the PNG shows the frame in the middle, the page a loop of some frames. A picture or clip that cannot be
    read any more leaves a grey card with its name.

    Where the files of hits lie is told by the collection, which others may have written. So they are opened only in
    the folders that are named here, links counting by where they lead, and never if they or a folder below are hidden.

    Args:
        path: Where to draw.
        answers: What to draw.
        pictures: Folders whose pictures and clips may be shown. Those of the questions always are.

    Returns:
        How many pictures and clips of hits lie elsewhere, and are grey cards.

    Raises:
        InputError: Another suffix than ``.png`` or ``.html``, or the file cannot be written.

    Example:
        >>> import tempfile
        >>> write_sheet(Path(tempfile.mkdtemp()) / "sheet.html", [Answer([], text="a red flower")])
        0
    """
    if isinstance(pictures, (str, Path)):
        raise InputError(f"pictures takes a list of folders; write [{str(pictures)!r}]")
    folders = [Inside(folder, hidden=False) for folder in pictures]
    shown = [replace(answer, hits=[_permitted(hit, folders) for hit in answer.hits]) for answer in answers]
    _write(Path(path), shown)
    pairs = zip(answers, shown, strict=True)
    return sum(hit is not other for one, two in pairs for hit, other in zip(one.hits, two.hits, strict=True))


def _permitted(hit: Hit, folders: Sequence[Inside]) -> Hit:
    """The hit as it is, or without its path if that is one outside ``folders``."""
    path = hit.fields.get("path")
    if hit.modality == "text" or not path or any(folder.has(str(path)) for folder in folders):
        return hit
    return hit._replace(fields={**hit.fields, "path": ""})


def _write(path: Path, answers: Sequence[Answer]) -> None:
    try:
        if path.suffix.lower() == ".png":
            _draw(answers).save(path, format="PNG", optimize=True)
        elif path.suffix.lower() == ".html":
            path.write_text(_page(answers), encoding="utf-8", errors="xmlcharrefreplace")
        else:
            raise InputError(f"the sheet {path} ends in {path.suffix or 'nothing'!r}; .png and .html can be drawn")
    except OSError as error:
        raise InputError(f"the sheet {path} cannot be written: {error.strerror or error}") from error


def _caption(hit: Hit) -> str:
    return f"distance {hit.distance} · score {hit.score:.2f}"


def _plain(text: str) -> str:
    """One line of what can be printed; a card shows the beginning only."""
    line = " ".join(text[:_SHOWN].split())
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)


def _thumbnails(modality: str, path: str, side: int, frames: int = 1) -> list[Image.Image]:
    """Square thumbnails on white: one of a picture, ``frames`` of a clip, none where it cannot be read."""
    from PIL import Image

    from milvus_hash.bundle import ImageInput, VideoInput
    from milvus_hash.media.image import load_image
    from milvus_hash.media.video import load_video

    try:
        if modality == "video":
            return [Image.fromarray(frame) for frame in load_video(path, VideoInput(side, "pad", frames))]
        return [Image.fromarray(load_image(path, ImageInput(side, "pad")))]
    except (InputError, MissingExtra):
        return []


# ---- PNG


def _draw(answers: Sequence[Answer]) -> Image.Image:
    from PIL import Image, ImageDraw

    cell_w, cell_h = _SIDE + 2 * _PAD, _SIDE + _CAPTION + 2 * _PAD
    rows = [-(-len(answer.hits) // _COLUMNS) for answer in answers]
    heights = [max(n * (cell_h + _GAP), _ASK_HEIGHT) for n in rows]
    width = 2 * _MARGIN + _ASK + _COLUMNS * (cell_w + _GAP) - _GAP
    sheet = Image.new("RGB", (width, 2 * _MARGIN + sum(heights) + _MARGIN * max(0, len(rows) - 1) - _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for number, (answer, height) in enumerate(zip(answers, heights, strict=True)):
        if number:
            middle = top - (_MARGIN + _GAP) // 2
            draw.line((_MARGIN, middle, width - _MARGIN, middle), fill=_EDGE)
        _draw_question(sheet, draw, answer, top)
        for index, hit in enumerate(answer.hits):
            row, column = divmod(index, _COLUMNS)
            corner = _MARGIN + _ASK + column * (cell_w + _GAP), top + row * (cell_h + _GAP)
            draw.rounded_rectangle((*corner, corner[0] + cell_w, corner[1] + cell_h), 8, fill=_CARD, outline=_EDGE)
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
    draw.text((_MARGIN, top), f"QUERY · {_KINDS[modality]}", font=_font(12), fill=_ACCENT)
    if modality == "text":
        _write_lines(draw, _plain(source), (_MARGIN, top + 24), _font(22), _INK, width=_ASK - 24, lines=7)
    else:
        _paste(sheet, draw, modality, source, (_MARGIN, top + 24))
        _write_lines(
            draw, _plain(Path(source).name), (_MARGIN, top + 32 + _SIDE), _font(13), _INK, width=_SIDE, lines=1
        )
    if not answer.hits:
        draw.text((_MARGIN + _ASK, top + 24), "no hits", font=_font(18), fill=_SOFT)


def _draw_hit(sheet: Image.Image, draw: ImageDraw.ImageDraw, hit: Hit, corner: tuple[int, int]) -> None:
    if hit.modality == "text":
        _write_lines(draw, _plain(str(hit.fields.get("text", ""))), corner, _font(15), _INK, width=_SIDE, lines=9)
    else:
        _paste(sheet, draw, hit.modality, str(hit.fields.get("path", "")), corner)
    left, below = corner[0], corner[1] + _SIDE + 8
    _write_lines(draw, _plain(hit.item), (left, below), _font(13), _INK, width=_SIDE, lines=1, middle=True)
    draw.text((left, below + 19), _caption(hit), font=_font(12), fill=_SOFT)


def _paste(sheet: Image.Image, draw: ImageDraw.ImageDraw, modality: str, path: str, corner: tuple[int, int]) -> None:
    if pictures := _thumbnails(modality, path, _SIDE):
        sheet.paste(pictures[0], corner)
        return
    left, top = corner
    draw.rectangle((left, top, left + _SIDE, top + _SIDE), fill=_PAPER)
    draw.text((left + _SIDE / 2, top + _SIDE / 2), _GONE[modality], font=_font(14), fill=_SOFT, anchor="mm")


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


# ---- HTML

_STYLE = f"""
*{{box-sizing:border-box}}
body{{margin:0;padding:28px;background:{_PAPER};color:{_INK};font:15px/1.4 system-ui,sans-serif}}
section{{display:grid;grid-template-columns:220px 1fr;gap:24px;padding:24px 0;border-bottom:1px solid {_EDGE}}}
section:last-child{{border:0}} h2{{margin:6px 0;font-size:22px;line-height:1.25;overflow-wrap:anywhere}}
.kind{{color:{_ACCENT};font-size:12px;letter-spacing:.06em}} .none{{color:{_SOFT}}}
.hits{{display:grid;grid-template-columns:repeat(auto-fill,minmax(196px,1fr));gap:14px;align-content:start}}
figure{{margin:0;padding:10px;background:{_CARD};border:1px solid {_EDGE};border-radius:8px;min-width:0}}
.box{{display:flex;aspect-ratio:1;overflow:hidden;align-items:center;justify-content:center}}
.box p{{margin:0;align-self:flex-start;width:100%;max-height:100%;overflow:auto;overflow-wrap:anywhere}}
img{{width:100%;height:100%;object-fit:contain}} .gone{{background:{_PAPER};color:{_SOFT}}}
figcaption{{margin-top:8px;font-size:13px}} figcaption b{{display:block;font-weight:500;overflow:hidden;
text-overflow:ellipsis;white-space:nowrap}} figcaption span{{color:{_SOFT};font-size:12px}}
@media(max-width:640px){{section{{grid-template-columns:1fr}}}}
"""


def _page(answers: Sequence[Answer]) -> str:
    sections = "\n".join(_section(answer) for answer in answers)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>milvus-hash: hits</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{sections}\n</body></html>\n"
    )


def _section(answer: Answer) -> str:
    modality, source = answer.asked
    asked = f'<div class="kind">QUERY · {_KINDS[modality]}</div>'
    if modality == "text":
        asked += f"<h2>{html.escape(_plain(source))}</h2>"
    else:
        asked += f"<figure>{_box(modality, source)}{_names(Path(source).name, '')}</figure>"
    hits = "".join(_figure(hit) for hit in answer.hits) or '<p class="none">no hits</p>'
    return f'<section><div>{asked}</div><div class="hits">{hits}</div></section>'


def _figure(hit: Hit) -> str:
    if hit.modality == "text":
        box = f'<div class="box"><p>{html.escape(_plain(str(hit.fields.get("text", ""))))}</p></div>'
    else:
        box = _box(hit.modality, str(hit.fields.get("path", "")))
    return f"<figure>{box}{_names(hit.item, _caption(hit))}</figure>"


def _names(name: str, caption: str) -> str:
    shown = html.escape(_plain(name))
    return f'<figcaption><b title="{shown}">{shown}</b><span>{caption}</span></figcaption>'


def _box(modality: str, path: str) -> str:
    pictures = _thumbnails(modality, path, 2 * _SIDE, _FRAMES)  # sharp on screens of double density
    if not pictures:
        return f'<div class="box gone">{_GONE[modality]}</div>'
    data = io.BytesIO()
    kind = "webp" if modality == "video" else "jpeg"
    if modality == "video":  # a loop that every browser plays, which cannot be said of every film
        loop = {"save_all": True, "append_images": pictures[1:], "duration": _FRAME_TIME, "loop": 0}
        pictures[0].save(data, format=kind, quality=70, method=2, **loop)
    else:
        pictures[0].save(data, format=kind, quality=88)
    source = base64.b64encode(data.getvalue()).decode()
    return f'<div class="box"><img alt="" src="data:image/{kind};base64,{source}"></div>'
