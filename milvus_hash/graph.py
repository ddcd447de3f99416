"""One graph of a bundle on onnxruntime: opened from the bytes that the fingerprint covers, its outputs checked.

A graph is somebody else's program. What it declares is compared with what the bundle says when it is opened, and what
it gives after every run: a graph that lies must not become wrong codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from milvus_hash.bundle import Bundle, TextInput
from milvus_hash.bundle.inputs import Tensor
from milvus_hash.codes import Codes, Logits, pack
from milvus_hash.errors import BundleError
from milvus_hash.media.text import Tokenizer
from milvus_hash.runtime import open_session

VECTORS = ("embedding", "features", "weights")
"""Float outputs that a graph may have beside its code.

``embedding`` is the learned vector, ``features`` what the frozen part gave, and ``weights``, as wide as the code, what
a query brings to asymmetric scoring; where a graph has none, the logits are that.
"""


@dataclass(frozen=True, slots=True)
class Encodings:
    """Codes ``uint8 (n, bits // 8)`` and the logits ``float32 (n, bits)`` whose signs they are.

    ``vectors`` holds other outputs of the graph, float32 ``(n, width)``, by name, where they were asked for; ``cut``
    the places of texts that are longer than the bundle reads, so that only their beginnings count.
    """

    codes: Codes
    logits: Logits
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    cut: frozenset[int] = frozenset()

    @property
    def weights(self) -> NDArray[np.float32]:
        """What each bit counts in asymmetric scoring, float32 ``(n, bits)``: the graph's own, else the logits."""
        return self.vectors.get("weights", self.logits)


_Feed: TypeAlias = tuple[dict[str, NDArray[Any]], frozenset[int]]  # inputs by name, and the texts that were cut


class Graph:
    """A batch of decoded values in; codes, logits and the vectors asked for out.

    Attributes:
        vectors: Those of :data:`VECTORS` that the graph gives.
    """

    def __init__(self, bundle: Bundle, modality: str, *, providers: Sequence[str], threads: int, arena: bool) -> None:
        """Open the graph of ``modality``.

        Raises:
            BundleError: A file was changed since the bundle was read, cannot be opened, or does not have the inputs and
                outputs that the bundle needs.
        """
        entry = bundle.modalities[modality]
        self._name = str(bundle.path / entry.graph)
        self._bits = bundle.bits[-1]
        self._feed = _feeder(bundle, modality)
        self._session = open_session(
            bundle.read(entry.graph), self._name, providers=providers, threads=threads, arena=arena
        )
        outputs = {output.name for output in self._session.get_outputs()}
        self.vectors = tuple(name for name in VECTORS if name in outputs)
        self._check_declared(entry.input.tensors)

    def __call__(self, values: list[Any] | NDArray[Any], vectors: Sequence[str] = ()) -> Encodings:
        """Run the graph on at least one value.

        Raises:
            BundleError: onnxruntime fails, or what the graph gives is not what a graph has to give.
        """
        feed, cut = self._feed(values)
        try:
            codes, logits, *rest = self._session.run(["code", "logits", *vectors], feed)
        except Exception as error:  # onnxruntime's own error classes share no public base
            raise BundleError(f"{self._name} failed in onnxruntime on {len(values)} inputs: {error}") from error
        found = Encodings(codes, logits, dict(zip(vectors, rest, strict=True)), cut)
        self._check(found, len(values))
        return found

    def _check_declared(self, inputs: Mapping[str, Tensor]) -> None:
        """Compare names, types and, as far as they are stated, shapes with what is needed."""
        outputs = {
            "code": ("tensor(uint8)", (None, self._bits // 8)),
            "logits": ("tensor(float)", (None, self._bits)),
            **{name: ("tensor(float)", (None, self._bits if name == "weights" else None)) for name in self.vectors},
        }
        declared = {tensor.name: tensor for tensor in self._session.get_inputs()}
        given = {tensor.name: tensor for tensor in self._session.get_outputs()}
        if declared.keys() != inputs.keys() or given.keys() != outputs.keys():
            raise BundleError(
                f"{self._name} has inputs {sorted(declared)} and outputs {sorted(given.keys() - set(VECTORS))}; "
                f"{sorted(inputs)} and ['code', 'logits'] are needed: export the model again"
            )
        for name, (kind, shape) in {**inputs, **outputs}.items():
            tensor = declared.get(name) or given[name]
            if tensor.type != kind or not _fits(tensor.shape, shape):
                raise BundleError(
                    f"{self._name} says that {name} is {tensor.type} {tensor.shape}; "
                    f"{kind} {_shown(shape)} is needed: export the model again"
                )

    def _check(self, found: Encodings, count: int) -> None:
        wanted: dict[str, tuple[Any, type, int | None]] = {
            "code": (found.codes, np.uint8, self._bits // 8),
            "logits": (found.logits, np.float32, self._bits),
            **{
                name: (values, np.float32, self._bits if name == "weights" else None)
                for name, values in found.vectors.items()
            },
        }
        for name, (values, kind, width) in wanted.items():
            shape = np.shape(values)
            if getattr(values, "dtype", None) != kind or len(shape) != 2 or shape != (count, width or shape[1]):
                raise BundleError(
                    f"{self._name} gives {name} {getattr(values, 'dtype', type(values).__name__)} {shape} for {count} "
                    f"inputs; {np.dtype(kind)} {_shown((count, width))} is needed: export the model again"
                )
            if kind is np.float32 and not np.isfinite(values).all():
                row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
                raise BundleError(
                    f"{self._name} gives {name} that are not finite (input {row} of {count}); export the model again"
                )
        if not np.array_equal(pack(found.logits), found.codes):
            raise BundleError(f"{self._name} gives codes that are not the signs of its logits; export the model again")


def _feeder(bundle: Bundle, modality: str) -> Callable[[list[Any] | NDArray[Any]], _Feed]:
    """What makes the inputs of a graph of decoded values."""
    target = bundle.modalities[modality].input
    if isinstance(target, TextInput):
        tokenizer = Tokenizer(bundle.read(target.tokenizer), target.length, name=str(bundle.path / target.tokenizer))

        def feed(values: list[Any] | NDArray[Any]) -> _Feed:
            tokens = tokenizer.tokens(list(values))
            return {"input_ids": tokens.ids, "attention_mask": tokens.mask}, tokens.cut
    else:

        def feed(values: list[Any] | NDArray[Any]) -> _Feed:
            return {modality: values if isinstance(values, np.ndarray) else np.stack(values)}, frozenset()

    return feed


def _fits(stated: Sequence[int | str | None] | None, shape: tuple[int | None, ...]) -> bool:
    """Whether a shape that a graph states can be ``shape``; sizes that either leaves open fit."""
    if not stated:  # onnxruntime's word for unknown
        return True
    return len(stated) == len(shape) and all(
        size is None or not isinstance(said, int) or said == size for said, size in zip(stated, shape, strict=True)
    )


def _shown(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('n' if size is None else str(size) for size in shape)})"
