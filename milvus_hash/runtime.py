"""onnxruntime: providers chosen by name, sessions that share the machine with the decoding threads."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from milvus_hash.arguments import listed
from milvus_hash.errors import BundleError, ProviderError
from milvus_hash.extras import require
from milvus_hash.onnx_file import check_onnx

CPU = "CPUExecutionProvider"


def cpu_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def onnxruntime() -> Any:  # noqa: ANN401 (a module)
    """The module, without the telemetry that it has from 1.29 on, unless ``ORT_DISABLE_TELEMETRY`` is set to something.

    Its events go to the maker of onnxruntime, from a thread that begins with the import, and for which processes that
    were forked wait in vain when they end.

    Raises:
        MissingExtra: It is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    return require("onnxruntime", "cpu")


def resolve_providers(names: Sequence[str] | None) -> tuple[str, ...]:
    """Full names of the providers asked for, case and the suffix ``ExecutionProvider`` being optional.

    Every build has the CPU, so that nothing is imported for that, and a server may load before it forks.

    Raises:
        ProviderError: One is not in this build of onnxruntime; the message lists those that are.
        MissingExtra: onnxruntime is not installed.

    Example:
        >>> resolve_providers(["cpu"])
        ('CPUExecutionProvider',)
    """
    wanted = listed("providers", names or (), "names")
    if all(_short(name) == _short(CPU) for name in wanted) and find_spec("onnxruntime"):
        return (CPU,)
    available: list[str] = onnxruntime().get_available_providers()
    short = {_short(name): name for name in available}
    found = []
    for name in wanted or [CPU]:
        full = short.get(_short(name))
        if full is None:
            raise ProviderError(
                f"onnxruntime has no provider {name!r} here; available: {', '.join(available)}. "
                "NVIDIA GPUs need: pip uninstall onnxruntime && pip install 'milvus-hash[gpu]'"
            )
        found.append(full)
    return tuple(found)


def _short(name: str) -> str:
    return name.lower().removesuffix("executionprovider")


def open_session(data: bytes, name: str, *, providers: Sequence[str], threads: int, arena: bool) -> Any:  # noqa: ANN401
    """Open the ONNX file ``data`` on ``providers``; a fallback to another provider is a RuntimeWarning.

    Args:
        data: The content of the file; nothing else is read.
        name: What messages call it.
        providers: Full names, best first.
        threads: Threads within the graph.
        arena: Let onnxruntime keep memory between runs.

    Raises:
        BundleError: It is not self-contained, may run for ever, or onnxruntime cannot read it.
    """
    check_onnx(data, name)
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = arena
    options.log_severity_level = 4  # what goes wrong is in the exception too
    # Spinning threads would take the cores away from the decoding pool.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # onnxruntime has a format of its own, which it would recognise and check_onnx could not look through.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        session = ort.InferenceSession(data, options, providers=list(providers))
    except Exception as error:  # onnxruntime's own error classes share no public base
        raise BundleError(f"{name} cannot be opened by onnxruntime {ort.__version__}: {error}") from error
    session._model_bytes = None  # onnxruntime would keep the file's content beside the weights that it made of it
    active = session.get_providers()
    if active[0] != providers[0]:
        warnings.warn(
            f"{providers[0]} could not start, onnxruntime fell back to {active[0]}; "
            "check its libraries with `milvus-hash doctor`",
            RuntimeWarning,
            stacklevel=2,
        )
    return session
