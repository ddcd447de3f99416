"""Answers to a file, with the pictures that may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from milvus_hash.arguments import check_path, listed
from milvus_hash.errors import InputError
from milvus_hash.inside import Inside
from milvus_hash.sheet.answer import Answer
from milvus_hash.sheet.html import page
from milvus_hash.sheet.png import drawn

if TYPE_CHECKING:
    from milvus_hash.query.hits import Hit

SUFFIXES = (".png", ".html")


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
    folders, shown, elsewhere = allowed(pictures), [], 0
    check_path("path", path)
    for answer in listed("answers", answers, "answers"):
        if not isinstance(answer, Answer):
            raise InputError(f"a {type(answer).__name__} is no answer; make one with Answer(hits, text=...)")
        hits, more = permitted(answer.hits, folders)
        shown.append(replace(answer, hits=hits))
        elsewhere += more
    _write(Path(path), shown)
    return elsewhere


def allowed(pictures: Sequence[str | Path]) -> list[Inside]:
    """The folders whose pictures may be shown, hidden ones in them left out.

    Raises:
        InputError: One path is given in place of a list.
    """
    if isinstance(pictures, (str, Path)):
        raise InputError(f"pictures takes a list of folders; write [{str(pictures)!r}]")
    return [Inside(folder, hidden=False) for folder in pictures]


def permitted(hits: Sequence[Hit], folders: Sequence[Inside]) -> tuple[list[Hit], int]:
    """The hits without the paths of pictures and clips that lie outside the folders, and how many those are."""
    shown = [_permitted(hit, folders) for hit in hits]
    return shown, sum(hit is not other for hit, other in zip(hits, shown, strict=True))


def _permitted(hit: Hit, folders: Sequence[Inside]) -> Hit:
    path = hit.fields.get("path")
    if hit.modality == "text" or not path or any(folder.has(str(path)) for folder in folders):
        return hit
    return hit._replace(fields={**hit.fields, "path": ""})


def _write(path: Path, answers: Sequence[Answer]) -> None:
    try:
        if path.suffix.lower() == ".png":
            drawn(answers).save(path, format="PNG", optimize=True)
        elif path.suffix.lower() == ".html":
            path.write_text(page(answers), encoding="utf-8", errors="xmlcharrefreplace")
        else:
            raise InputError(f"the sheet {path} ends in {path.suffix or 'nothing'!r}; .png and .html can be drawn")
    except OSError as error:
        raise InputError(f"the sheet {path} cannot be written: {error.strerror or error}") from error
