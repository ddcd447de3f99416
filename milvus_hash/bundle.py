"""The bundle: what an exported model is on disk, read and verified, or written in one step.

A bundle is a folder with ``bundle.json``, one ONNX graph per modality and a tokenizer. Its *fingerprint* is a
sha256 over everything that decides which code an input gets (graphs, tokenizer, preprocessing), and over
nothing else: two codes may be compared only if their fingerprints agree.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from milvus_hash.errors import BundleError, InputError

FORMAT_VERSION = 1
MANIFEST = "bundle.json"
Resize: TypeAlias = Literal["squash", "pad", "crop"]


@dataclass(frozen=True, slots=True)
class ImageInput:
    """How a picture becomes the graph's input ``image``: uint8 ``(n, size, size, 3)``, RGB.

    Attributes:
        size: Side of the square input, in pixels.
        resize: ``squash`` ignores the aspect ratio, ``pad`` keeps it on white, ``crop`` cuts the centre.
    """

    size: int = 224
    resize: Resize = "squash"


@dataclass(frozen=True, slots=True)
class VideoInput:
    """How a clip becomes the graph's input ``video``: uint8 ``(n, frames, size, size, 3)``, RGB.

    Frame ``i`` is the one on show at the time ``(i + 1/2) / frames`` of the clip's duration.

    Attributes:
        size: Side of the square frames, in pixels.
        resize: As for a picture; every frame is resized by itself.
        frames: Frames per clip.
    """

    size: int = 112
    resize: Resize = "squash"
    frames: int = 8


@dataclass(frozen=True, slots=True)
class TextInput:
    """How a text becomes the graph's inputs ``input_ids`` and ``attention_mask``: int64 ``(n, length)``.

    Attributes:
        length: Tokens per text; longer texts are cut, shorter ones padded.
        tokenizer: File of the bundle that the ``tokenizers`` library reads.
    """

    length: int = 32
    tokenizer: str = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class VectorInput:
    """A float vector that another model made is the graph's input ``vector`` as it is: float32 ``(n, width)``.

    Attributes:
        width: Numbers per vector.
    """

    width: int


@dataclass(frozen=True, slots=True)
class Modality:
    """One graph of a bundle and how its input is made."""

    graph: str
    input: ImageInput | VideoInput | TextInput | VectorInput


_INPUTS: dict[str, type[ImageInput | VideoInput | TextInput | VectorInput]] = {
    "image": ImageInput,
    "video": VideoInput,
    "text": TextInput,
    "vector": VectorInput,
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle on disk.

    Attributes:
        path: The folder.
        name: A name for people.
        method: The training method, for instance ``dsmhn``.
        bits: Code lengths in ascending order; the last is the full length, the others are nested codes.
        modalities: Any of ``image``, ``video``, ``text`` and ``vector``, each with its graph and input.
        fingerprint: sha256 over graphs, tokenizer and preprocessing, in hex.
        licence: Licence of the weights.
        trained_on: What the model was trained on.
        metrics: Figures measured at export, with their conventions.
    """

    path: Path
    name: str
    method: str
    bits: tuple[int, ...]
    modalities: Mapping[str, Modality]
    fingerprint: str
    licence: str
    trained_on: str
    metrics: Mapping[str, Any]

    def check_bits(self, bits: int | None) -> int:
        """Return ``bits``, or the full length for None.

        Raises:
            InputError: The bundle does not list this length.
        """
        if bits is None:
            return self.bits[-1]
        if bits not in self.bits:
            raise InputError(f"{self.name} has no codes of {bits} bits; it lists {list(self.bits)}")
        return bits


def starter_path() -> Path:
    """The folder of the starter bundle that ships inside this package."""
    return Path(__file__).parent / "starter" / "bundle"


def read_bundle(path: str | Path) -> Bundle:
    """Read the bundle in folder ``path`` and verify every file of it.

    Raises:
        BundleError: Not a bundle, a newer format, or a file that is missing or changed; each named.
    """
    folder = Path(path)
    data = _read_json(folder)
    version = data.get("format_version")
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{folder}: bundle format {version!r} cannot be read, this release reads format {FORMAT_VERSION}; "
            "upgrade milvus-hash or export the model again"
        )
    try:
        bundle = Bundle(
            path=folder,
            name=data["name"],
            method=data["method"],
            bits=tuple(int(b) for b in data["bits"]),
            modalities={name: _modality(name, entry) for name, entry in data["modalities"].items()},
            fingerprint=data["fingerprint"],
            licence=data["licence"],
            trained_on=data["trained_on"],
            metrics=data["metrics"],
        )
        digests = dict(data["sha256"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{folder / MANIFEST} is damaged ({error!r}); export the model again") from error
    _check_bits(bundle.bits)
    for name in _files_of(bundle.modalities):
        _verify(folder / name, digests.get(name))
    if _fingerprint(bundle.bits, bundle.modalities, digests) != bundle.fingerprint:
        raise BundleError(f"{folder / MANIFEST}: the fingerprint does not fit its contents; export the model again")
    return bundle


def write_bundle(
    path: str | Path,
    *,
    name: str,
    method: str,
    bits: Sequence[int],
    modalities: Mapping[str, Modality],
    files: Mapping[str, Path],
    licence: str,
    trained_on: str,
    metrics: Mapping[str, Any] | None = None,
) -> Bundle:
    """Write a bundle to folder ``path``, replacing one that is there, and read it back.

    Everything is written beside ``path`` first and renamed at the end: a reader never sees half a bundle.

    Args:
        path: The folder to write; it must be new, empty or a bundle.
        name: A name for people.
        method: The training method.
        bits: Code lengths; nested lengths first, the full length last.
        modalities: Graph and input of each modality.
        files: For every file that ``modalities`` names, where to copy it from.
        licence: Licence of the weights.
        trained_on: What the model was trained on.
        metrics: Measured figures to carry along.

    Raises:
        BundleError: ``path`` holds something else, or a named file is not given.
    """
    target = Path(path)
    if target.exists() and not (target / MANIFEST).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise BundleError(f"{target} exists and is not a bundle; choose another folder")
    _check_bits(tuple(bits))
    needed = _files_of(modalities)
    if missing := [name for name in needed if name not in files]:
        raise BundleError(f"no source is given for {', '.join(missing)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        fresh = Path(scratch) / "new"
        fresh.mkdir()
        for file in needed:
            shutil.copyfile(files[file], fresh / file)
        digests = {file: _sha256(fresh / file) for file in needed}
        manifest = {
            "format_version": FORMAT_VERSION,
            "name": name,
            "method": method,
            "bits": list(bits),
            "modalities": {key: _entry(modality) for key, modality in modalities.items()},
            "fingerprint": _fingerprint(tuple(bits), modalities, digests),
            "sha256": digests,
            "licence": licence,
            "trained_on": trained_on,
            "metrics": dict(metrics or {}),
        }
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if target.exists():
            target.rename(Path(scratch) / "old")
        fresh.rename(target)
    return read_bundle(target)


def _read_json(folder: Path) -> dict[str, Any]:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise BundleError(f"{folder} is not a bundle: it has no {MANIFEST}; `milvus-hash export` writes one")
    try:
        data = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{manifest} cannot be read ({error}); export the model again") from error
    if not isinstance(data, dict):
        raise BundleError(f"{manifest} is damaged (not a JSON object); export the model again")
    return data


def _modality(name: str, entry: Mapping[str, Any]) -> Modality:
    return Modality(graph=str(entry["graph"]), input=_INPUTS[name](**entry["input"]))


def _entry(modality: Modality) -> dict[str, Any]:
    return {"graph": modality.graph, "input": asdict(modality.input)}


def _files_of(modalities: Mapping[str, Modality]) -> list[str]:
    names = {modality.graph for modality in modalities.values()}
    names |= {m.input.tokenizer for m in modalities.values() if isinstance(m.input, TextInput)}
    if odd := [name for name in names if Path(name).name != name]:
        raise BundleError(f"file names {sorted(odd)} lead out of the bundle; only plain names are allowed")
    return sorted(names)


def _check_bits(bits: tuple[int, ...]) -> None:
    if not bits or any(b % 8 or b <= 0 for b in bits) or list(bits) != sorted(set(bits)):
        raise BundleError(f"code lengths {list(bits)} are not ascending multiples of 8")


def _verify(file: Path, digest: str | None) -> None:
    if not file.is_file():
        raise BundleError(f"{file} is missing from the bundle; copy the bundle again")
    if (found := _sha256(file)) != digest:
        raise BundleError(f"{file} was changed: sha256 {found}, the bundle lists {digest}; copy the bundle again")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _fingerprint(bits: tuple[int, ...], modalities: Mapping[str, Modality], digests: Mapping[str, str]) -> str:
    parts = {
        "bits": bits[-1],  # listing one more nested length does not change a code
        "modalities": {key: _entry(modalities[key]) for key in sorted(modalities)},
        "sha256": {name: digests[name] for name in _files_of(modalities)},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
