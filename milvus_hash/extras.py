"""Optional dependencies: import one, or say which pip line installs it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from milvus_hash.errors import MissingExtra


def require(module: str, extra: str) -> Any:  # noqa: ANN401 (a module of any shape)
    """Import ``module``, which the extra ``extra`` installs.

    Raises:
        MissingExtra: The module, or something that it imports, is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        pip = f"pip install 'milvus-hash[{extra}]'"
        raise MissingExtra(f"{module} cannot be imported ({error}); it comes with: {pip}") from error
