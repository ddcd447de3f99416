"""The encoder: a bundle on onnxruntime, from paths and texts to codes.

Pictures and clips are decoded by a bounded pool of threads while the batch before them is in onnxruntime; results
come in the order of the inputs, and a bad input costs its own place only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from milvus_hash.ahead import in_order
from milvus_hash.arguments import check_whole, listed, plain_methods
from milvus_hash.bundle import Bundle, VectorInput, read_bundle
from milvus_hash.codes import Codes
from milvus_hash.errors import InputError
from milvus_hash.graph import Encodings, Graph
from milvus_hash.media.modalities import MODALITIES, Load
from milvus_hash.media.text import warn_of_cut
from milvus_hash.media.vector import check_vectors
from milvus_hash.question import Asked, Query, ask
from milvus_hash.runtime import cpu_count, resolve_providers

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from milvus_hash.media.image import ImageSource
    from milvus_hash.media.video import VideoSource

Key = TypeVar("Key", bound=Hashable)

_BATCHES_AHEAD = 3  # decoded pictures that wait for onnxruntime: enough to even out slow files, 5 MB a batch
_ROWS = 4096  # vectors per run of encode_vectors: enough for matrix products, little memory


@dataclass(frozen=True, slots=True)
class Encoded(Generic[Key]):
    """One result of :meth:`Encoder.stream`: a code ``uint8 (bits // 8,)`` or the error that took its place.

    ``cut`` says that a text is longer than the bundle reads, so that only its beginning counts.
    """

    key: Key
    code: NDArray[np.uint8] | None = None
    logits: NDArray[np.float32] | None = None
    error: InputError | None = None
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    cut: bool = False


@plain_methods
class Encoder:
    """Turns pictures, clips, texts and float vectors into codes of one Hamming space; make one with :meth:`load`.

    Attributes:
        bundle: What is loaded.
        bits: Full code length; ``bundle.bits`` lists the nested ones.
        providers: The onnxruntime execution providers in use, in order of preference.
        threads: Threads of onnxruntime within a graph, and of the decoding pool.
        batch_size: Inputs per run of a graph; a clip counts as much as its frames.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        providers: Sequence[str] | None = None,
        threads: int = 0,
        arena: bool = True,
        batch_size: int = 32,
    ) -> None:
        if not isinstance(bundle, Bundle):
            raise InputError(f"a Bundle is needed, not a {type(bundle).__name__}: Encoder.load(path) opens one")
        check_whole("threads", threads, least=0)
        check_whole("batch_size", batch_size, least=1)
        self.bundle = bundle
        self.bits = bundle.bits[-1]
        self.providers = tuple(resolve_providers(providers))
        self.threads = threads or cpu_count()
        self.batch_size = batch_size
        self._arena = arena
        self._opened: dict[str, _Opened] = {}
        self._opening = Lock()

    def __repr__(self) -> str:
        return f"Encoder({self.bundle.name!r}, bits={self.bits}, modalities={self.modalities})"

    def _repr_html_(self) -> str:
        from milvus_hash.notebook import about_html

        return about_html(repr(self), {"providers": ", ".join(self.providers), "threads": self.threads}) + (
            self.bundle._repr_html_()
        )

    def __getstate__(self) -> dict[str, Any]:
        """All but the open graphs: they are opened again on the other side, from a bundle that has to be the same."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_opened", "_opening")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._opened = {}
        self._opening = Lock()

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        providers: Sequence[str] | None = None,
        threads: int = 0,
        arena: bool = True,
        batch_size: int = 32,
    ) -> Encoder:
        """Load and verify the bundle in folder ``path``; a graph is opened when it is first needed.

        Args:
            path: The bundle.
            providers: onnxruntime providers, best first, for instance ``["CUDAExecutionProvider"]`` or
                ``["cuda"]``; the CPU when absent.
            threads: Threads of onnxruntime and of the decoding pool; 0 takes every core this process may use.
            arena: Let onnxruntime keep memory between runs: faster, larger.
            batch_size: Inputs per run of a graph; a clip counts as much as its frames.

        Raises:
            BundleError: The bundle is broken.
            ProviderError: A provider is not available; the message lists those that are.
            MissingExtra: onnxruntime is not installed.

        Example:
            >>> from milvus_hash.bundle import starter_path
            >>> encoder = Encoder.load(starter_path())
            >>> encoder.encode_texts(["a red flower"]).shape
            (1, 8)
        """
        return cls(read_bundle(path), providers=providers, threads=threads, arena=arena, batch_size=batch_size)

    @property
    def fingerprint(self) -> str:
        """The bundle's fingerprint: codes of equal fingerprints may be compared."""
        return self.bundle.fingerprint

    @property
    def modalities(self) -> tuple[str, ...]:
        """What this bundle can encode, sorted."""
        return tuple(sorted(self.bundle.modalities))

    def encode_images(self, images: Sequence[ImageSource], *, bits: int | None = None) -> Codes:
        """Codes ``uint8 (n, bits // 8)`` of pictures: paths, file bytes or Pillow images.

        Raises:
            InputError: The first picture that cannot be used, by its position.
        """
        return self.encode("image", images, bits=bits).codes

    def encode_videos(self, videos: Sequence[VideoSource], *, bits: int | None = None) -> Codes:
        """Codes ``uint8 (n, bits // 8)`` of clips: paths or file bytes.

        Raises:
            InputError: The first clip that cannot be used, by its position.
            MissingExtra: A clip needs PyAV, and it is not installed.
        """
        return self.encode("video", videos, bits=bits).codes

    def encode_texts(self, texts: Sequence[str], *, bits: int | None = None) -> Codes:
        """Codes ``uint8 (n, bits // 8)`` of texts.

        Raises:
            InputError: The first text that cannot be used, by its position.
        """
        return self.encode("text", texts, bits=bits).codes

    def encode_vectors(self, vectors: Any, *, bits: int | None = None) -> Codes:  # noqa: ANN401 (array-like)
        """Codes ``uint8 (n, bits // 8)`` of float vectors: a matrix ``(n, width)`` or a list of rows.

        Raises:
            InputError: The first row that is not ``width`` finite numbers, or a bundle without this modality.
        """
        bits = self.check_bits(bits)
        graph = self._open("vector").graph
        target = self.bundle.modalities["vector"].input
        assert isinstance(target, VectorInput)
        blocks = [np.empty((0, bits // 8), dtype=np.uint8)]
        for start in range(0, len(vectors), _ROWS):
            block = check_vectors(vectors[start : start + _ROWS], target.width, first=start)
            blocks.append(graph(block).codes[:, : bits // 8])
        return np.concatenate(blocks)

    def encode(self, modality: str, sources: Sequence[Any], *, bits: int | None = None) -> Encodings:
        """Codes and logits of ``sources``, all of one modality, and ``weights`` where the graph gives some.

        Texts that are longer than the bundle reads are a RuntimeWarning; the result's ``cut`` has their places.

        Raises:
            InputError: The first source that cannot be used, or a modality or length that the bundle lacks.
        """
        bits = self.check_bits(bits)
        names = [name for name in self.vector_names(modality) if name == "weights"]
        sources = listed(f"{modality}s", _several(modality, sources), f"{MODALITIES[modality].noun}s")
        codes = np.empty((len(sources), bits // 8), dtype=np.uint8)
        logits = np.empty((len(sources), bits), dtype=np.float32)
        vectors = {name: np.empty_like(logits) for name in names}
        cut = set()
        for row in self.stream(modality, enumerate(sources), bits=bits, vectors=names):
            if row.code is None or row.logits is None:
                raise InputError(f"{modality} {row.key}: {row.error}") from row.error
            codes[row.key], logits[row.key] = row.code, row.logits
            for name in names:
                vectors[name][row.key] = row.vectors[name]
            if row.cut:
                cut.add(row.key)
        if cut:
            warn_of_cut(self.bundle)
        return Encodings(codes, logits, vectors, frozenset(cut))

    def stream(
        self,
        modality: str,
        items: Iterable[tuple[Key, Any]],
        *,
        bits: int | None = None,
        vectors: Sequence[str] = (),
    ) -> Iterator[Encoded[Key]]:
        """Encode ``(key, source)`` pairs one after the other: one :class:`Encoded` each, in their order.

        Memory is bounded by a few batches, however many items there are.

        Args:
            modality: ``image``, ``video``, ``text`` or ``vector``.
            items: Pairs of a key, which comes back untouched, and a source.
            bits: A length that the bundle lists; the full length when absent.
            vectors: Float vectors that each result shall carry too: any of :meth:`vector_names`.

        Raises:
            InputError: The bundle has no such modality, length or vector.
        """
        bits = self.check_bits(bits)
        graph = self._open(modality).graph
        if missing := [name for name in vectors if name not in graph.vectors]:
            raise InputError(
                f"the {modality} graph of {self.bundle.name} has no output {missing[0]!r}; it has "
                f"{', '.join(graph.vectors) or 'codes and logits only'}: export the model again with this release"
            )
        return self._stream(lambda values: graph(values, vectors), self._decoded(modality, map(_pair, items)), bits)

    def vector_names(self, modality: str) -> tuple[str, ...]:
        """Those of :data:`milvus_hash.graph.VECTORS` that the graph of ``modality`` gives; none in older bundles.

        Raises:
            InputError: The bundle has no such modality.
        """
        return self._open(modality).graph.vectors

    def query(self, *, bits: int | None = None, **asked: Unpack[Asked]) -> Query:
        """One question of texts, pictures, clips and vectors, encoded.

        :meth:`milvus_hash.HashCollection.search` says what the arguments are and how several parts become one; its
        ``search(query=...)`` and ``search_many`` take the question, and :meth:`Query.to_search
        <milvus_hash.question.Query.to_search>` makes it arguments for a client of your own.

        Args:
            bits: A length that the bundle lists; the full length when absent.
            asked: ``text``, ``image``, ``video``, ``vector``, ``code`` or ``query``.

        Raises:
            InputError: A part cannot be used, or the parts cancel out.

        Example:
            >>> from milvus_hash.bundle import starter_path
            >>> encoder = Encoder.load(starter_path())
            >>> encoder.query(text=["a flower", ("a rose", -0.5)]).code.shape
            (8,)
        """
        if asked.get("item") is not None:
            raise InputError("an encoder knows no items: ask their collection, with collection.search(item=...)")
        return ask(self, self.check_bits(bits), **asked)

    def check_bits(self, bits: int | None) -> int:
        """Return ``bits``, or the full length for None.

        Raises:
            InputError: The bundle does not list this length.
        """
        return self.bundle.check_bits(bits)

    def _stream(
        self,
        run: Callable[[list[Any]], Encodings],
        decoded: Iterator[list[tuple[Key, Any]]],
        bits: int,
    ) -> Iterator[Encoded[Key]]:
        for batch in decoded:
            good = [value for _, value in batch if not isinstance(value, InputError)]
            out = run(good) if good else None
            row = 0
            for key, value in batch:
                if out is None or isinstance(value, InputError):
                    yield Encoded(key, error=value)
                else:
                    vectors = {
                        name: values[row, : bits if name == "weights" else None] for name, values in out.vectors.items()
                    }
                    code, logits = out.codes[row, : bits // 8], out.logits[row, :bits]
                    yield Encoded(key, code, logits, vectors=vectors, cut=row in out.cut)
                    row += 1

    def _decoded(self, modality: str, items: Iterable[tuple[Key, Any]]) -> Iterator[list[tuple[Key, Any]]]:
        """Batches of (key, decoded value or InputError)."""
        opened = self._open(modality)

        def load(item: tuple[Key, Any]) -> tuple[Key, Any]:
            key, source = item
            try:
                return key, opened.load(source)
            except InputError as error:
                return key, error

        if opened.slow:
            waiting = max(_BATCHES_AHEAD * opened.batch, self.threads)
            loaded = in_order(load, items, threads=self.threads, waiting=waiting)
        else:
            loaded = (load(item) for item in items)
        with closing(loaded):
            while batch := list(islice(loaded, opened.batch)):
                yield batch

    def _open(self, modality: str) -> _Opened:
        """What ``modality`` is encoded with, opened when it is first needed."""
        if not isinstance(modality, str) or modality not in self.bundle.modalities:
            raise InputError(f"{self.bundle.name} cannot encode {modality!r}; it has {', '.join(self.modalities)}")
        with self._opening:
            if modality not in self._opened:
                medium, target = MODALITIES[modality], self.bundle.modalities[modality].input
                graph = Graph(
                    self.bundle,
                    modality,
                    providers=resolve_providers(self.providers),
                    threads=self.threads,
                    arena=self._arena,
                )
                batch = max(1, self.batch_size // target.counts_as)
                self._opened[modality] = _Opened(graph, medium.loader(target), bool(medium.suffixes), batch)
        return self._opened[modality]


@dataclass(frozen=True, slots=True)
class _Opened:
    """What one modality is encoded with.

    Attributes:
        graph: On onnxruntime.
        load: What it takes of a source.
        slow: Whether loading takes so long that threads do it ahead.
        batch: Sources per run.
    """

    graph: Graph
    load: Load
    slow: bool
    batch: int


def _several(modality: str, sources: Any) -> Any:  # noqa: ANN401 (whatever is given)
    """``sources``, unless they are the pixels of one picture, whose lines could be taken for pictures of their own.

    Raises:
        InputError: They are.
    """
    if modality == "image" and isinstance(sources, np.ndarray) and sources.shape[2:] in ((), (3,), (4,)):
        raise InputError(f"images is one picture {sources.shape}; a list of pictures is needed: write [picture]")
    return sources


def _pair(item: Any) -> tuple[Any, Any]:  # noqa: ANN401
    if not isinstance(item, tuple) or len(item) != 2:
        raise InputError(f"{item!r:.60} is no pair of a key and a source: give enumerate(sources), for instance")
    return item
