"""Small trees of files in the layouts that data sets are published in."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def write_tree(root: Path, files: dict[str, Any]) -> Path:
    """Write ``files`` below ``root``: None as a picture, bytes and text as they are, anything else as JSON."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            content = picture_bytes()
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return root


def picture_bytes() -> bytes:
    """A PNG of 2 x 2 pixels; Pillow goes by the content, whatever the suffix."""
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2), "red").save(buffer, "PNG")
    return buffer.getvalue()


def animation_bytes(frames: int) -> bytes:
    """A transparent WebP of 4 x 4 pixels; its frames differ, as equal ones would become one."""
    pictures = [Image.fromarray(np.full((4, 4, 4), 40 * number, np.uint8)) for number in range(frames)]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "WEBP", save_all=True, append_images=pictures[1:], lossless=True)
    return buffer.getvalue()
