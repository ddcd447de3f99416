"""Whether a file lies in a folder, going by where its links lead."""

from __future__ import annotations

import os
from pathlib import Path


class Inside:
    """What lies in ``folder``, which may itself be reached through links; without ``hidden`` no hidden files there.

    Example:
        >>> pictures = Inside("/data/pictures")
        >>> pictures.has("/data/pictures/../passwords.png"), pictures.has("/data/pictures/a/b.png")
        (False, True)
    """

    def __init__(self, folder: str | Path, *, hidden: bool = True) -> None:
        self.folder = Path(os.path.realpath(folder))
        self._hidden = hidden

    def has(self, path: str | Path) -> bool:
        """Whether ``path`` is the folder or lies in it; what cannot be a path does not."""
        try:
            real = Path(os.path.realpath(path))
        except ValueError:  # a NUL, a lone surrogate
            return False
        if not real.is_relative_to(self.folder):
            return False
        return self._hidden or not any(part.startswith(".") for part in real.relative_to(self.folder).parts)
