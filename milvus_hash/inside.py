"""Whether a file lies in a folder, going by where its links lead."""

from __future__ import annotations

import os
from pathlib import Path


class Inside:
    """What lies in ``folder``, which may itself be reached through links.

    Example:
        >>> pictures = Inside("/data/pictures")
        >>> pictures.has("/data/pictures/../passwords.png"), pictures.has("/data/pictures/a/b.png")
        (False, True)
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = os.path.realpath(folder)

    def has(self, path: str | Path) -> bool:
        """Whether ``path`` is the folder or lies in it; what cannot be a path does not."""
        try:
            real = os.path.realpath(path)
        except ValueError:  # a NUL, a lone surrogate
            return False
        return real == self.folder or real.startswith(os.path.join(self.folder, ""))  # noqa: PTH118 ("/" ends so already)
