"""JSON has no NaN and no infinity, and readers stop at them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    """``value`` with None for every float that JSON cannot write.

    Example:
        >>> plain({"map": float("nan"), "hit": (0.5, float("inf"))})
        {'map': None, 'hit': [0.5, None]}
    """
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
