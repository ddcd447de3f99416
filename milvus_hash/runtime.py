"""onnxruntime: providers chosen by name, sessions that share the machine with the decoding threads."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from milvus_hash.errors import BundleError, ProviderError
from milvus_hash.extras import require

CPU = "CPUExecutionProvider"


def cpu_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_providers(names: Sequence[str] | None) -> tuple[str, ...]:
    """Full names of the providers asked for, case and the suffix ``ExecutionProvider`` being optional.

    Raises:
        ProviderError: One is not in this build of onnxruntime; the message lists those that are.
        MissingExtra: onnxruntime is not installed.

    Example:
        >>> resolve_providers(["cpu"])
        ('CPUExecutionProvider',)
    """
    available: list[str] = require("onnxruntime", "cpu").get_available_providers()
    short = {name.lower().removesuffix("executionprovider"): name for name in available}
    found = []
    for name in names or [CPU]:
        full = short.get(name.lower().removesuffix("executionprovider"))
        if full is None:
            raise ProviderError(
                f"onnxruntime has no provider {name!r} here; available: {', '.join(available)}. "
                "NVIDIA GPUs need: pip uninstall onnxruntime && pip install 'milvus-hash[gpu]'"
            )
        found.append(full)
    return tuple(found)


def open_session(graph: Path, *, providers: Sequence[str], threads: int, arena: bool) -> Any:  # noqa: ANN401
    """Open ``graph`` in onnxruntime on ``providers``; a fallback to another provider is a RuntimeWarning.

    Raises:
        BundleError: onnxruntime cannot read the graph.
    """
    ort = require("onnxruntime", "cpu")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = arena
    options.log_severity_level = 3
    # Spinning threads would take the cores away from the decoding pool.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(str(graph), options, providers=list(providers))
    except Exception as error:  # onnxruntime's own error classes share no public base
        raise BundleError(f"{graph} cannot be opened by onnxruntime {ort.__version__}: {error}") from error
    active = session.get_providers()
    if active[0] != providers[0]:
        warnings.warn(
            f"{providers[0]} could not start, onnxruntime fell back to {active[0]}; "
            "check its libraries with `milvus-hash doctor`",
            RuntimeWarning,
            stacklevel=2,
        )
    return session
