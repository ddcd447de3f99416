"""OpenMoji's pictures: the npm package has SVG only, so they are drawn as PNG once, beside ``node_modules``."""

from __future__ import annotations

from pathlib import Path

from milvus_hash.extras import require
from milvus_hash_export.datasets.emojibase import INSTALL, plain_code
from milvus_hash_export.datasets.files import leave_out, need

SIZE = 256  # pixels: what networks take is smaller


class OpenMoji:
    """The pictures of OpenMoji as PNG files in the folder ``root/openmoji-256``, drawn when they are asked for.

    Raises:
        InputError: The package is missing.
    """

    def __init__(self, root: Path) -> None:
        drawings = need(root / "node_modules" / "openmoji" / "color" / "svg", INSTALL)
        self._drawings = {plain_code(path.stem): path for path in drawings.glob("*.svg")}
        self._folder = root / f"openmoji-{SIZE}"

    def get(self, code: str) -> Path | None:
        """The picture of an emoji; None where there is no drawing, or, with a warning, none that can be drawn.

        Raises:
            MissingExtra: resvg_py, which draws, is not installed.
        """
        svg = self._drawings.get(code)
        if svg is None:
            return None
        picture = self._folder / f"{code}.png"
        return picture if picture.exists() or _draw(svg, picture) else None


def _draw(svg: Path, picture: Path) -> bool:
    resvg = require("resvg_py", "export")
    try:
        data = resvg.svg_to_bytes(svg_path=str(svg), width=SIZE, height=SIZE, skip_system_fonts=True)
    except ValueError as error:
        leave_out(str(svg), f"it cannot be drawn: {error}")
        return False
    picture.parent.mkdir(exist_ok=True)
    part = picture.with_suffix(".part")  # a reader, or a later run, never finds half a picture
    part.write_bytes(data)
    part.replace(picture)
    return True
