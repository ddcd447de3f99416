"""Property tests of what comes from outside: a few seconds; ``pytest tests/fuzz --fuzz 100`` tries 100 times as much.

Tests take their budget from here: ``@settings(settings.get_profile("fuzz"))``.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

EXAMPLES = 60


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz", type=int, default=1, metavar="N", help="N times as many examples, other ones each run.")


def pytest_configure(config: pytest.Config) -> None:
    times = config.getoption("--fuzz", 1)
    settings.register_profile(
        "fuzz",
        max_examples=EXAMPLES * times,
        derandomize=times == 1,  # the same examples for everybody, until more are asked for
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
