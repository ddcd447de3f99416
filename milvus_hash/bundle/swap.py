"""A folder put in the place of another in one step, where the system can."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from pathlib import Path

_HERE = -100  # AT_FDCWD: paths are relative to the working directory
_EXCHANGE = 2  # RENAME_EXCHANGE


def put_in_place(fresh: Path, target: Path) -> None:
    """Make folder ``fresh`` the folder ``target``; what was there is deleted, or stays if anything fails.

    On Linux the two change their places in one step. Elsewhere, and on file systems that cannot do that, the old
    folder is moved aside first; it comes back when the second step fails, and lies in ``.NAME.old-*`` beside the
    target when the process is killed between the two.

    Raises:
        OSError: A step failed.
    """
    if not target.exists():
        fresh.rename(target)
    elif not _exchange(fresh, target):
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.old-"))
        old = aside / target.name
        try:
            target.rename(old)
            fresh.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            aside.rmdir()
            raise
        shutil.rmtree(aside)


def _exchange(fresh: Path, target: Path) -> bool:
    """Give each folder the name of the other, at once; False where that cannot be done."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    return rename is not None and rename(_HERE, os.fsencode(fresh), _HERE, os.fsencode(target), _EXCHANGE) == 0
