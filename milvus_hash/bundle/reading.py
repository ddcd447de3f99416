"""A bundle on disk, read and verified."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milvus_hash.arguments import check_path
from milvus_hash.bundle.files import read_file, sha256_of
from milvus_hash.bundle.index import FORMAT_VERSION, MANIFEST, MOST_MANIFEST_BYTES, files_of, parse_index, parse_json
from milvus_hash.bundle.inputs import Modality
from milvus_hash.errors import BundleError, InputError


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle on disk.

    Attributes:
        path: The folder, as an absolute path.
        name: A name for people.
        method: The training method, for instance ``dsmhn``.
        bits: Code lengths in ascending order; the last is the full length, the others are nested codes.
        modalities: Any of ``image``, ``video``, ``text`` and ``vector``, each with its graph and input.
        fingerprint: sha256 over graphs, tokenizer and preprocessing, in hex.
        sha256: sha256 of each file, in hex, by its name.
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
    sha256: Mapping[str, str]
    licence: str
    trained_on: str
    metrics: Mapping[str, Any]

    def _repr_html_(self) -> str:
        from milvus_hash.notebook import about_html

        rows = {
            "path": self.path,
            "method": self.method,
            "code lengths": ", ".join(map(str, self.bits)),
            "modalities": ", ".join(self.modalities),
            "trained on": self.trained_on,
            "licence": self.licence,
            "fingerprint": self.fingerprint,
        }
        return about_html(f"Bundle {self.name!r}", rows)

    def check_bits(self, bits: int | None) -> int:
        """Return ``bits``, or the full length for None.

        Raises:
            InputError: The bundle does not list this length.
        """
        if bits is None:
            return self.bits[-1]
        if not isinstance(bits, int) or bits not in self.bits:
            raise InputError(f"{self.name} has no codes of {bits!r} bits; it lists {list(self.bits)}")
        return bits

    def read(self, name: str) -> bytes:
        """The content of the graph or tokenizer file ``name``: the very bytes that the fingerprint covers.

        Raises:
            BundleError: The file is gone, or another one than when the bundle was read.
        """
        data = read_file(self.path / name)
        if (found := hashlib.sha256(data).hexdigest()) != self.sha256[name]:
            raise BundleError(
                f"{self.path / name} was changed after the bundle was loaded: sha256 {found}, not "
                f"{self.sha256[name]}; load the bundle again"
            )
        return data


def starter_path() -> Path:
    """The folder of the starter bundle that ships inside this package."""
    return Path(__file__).parents[1] / "starter" / "bundle"


def read_bundle(path: str | Path) -> Bundle:
    """Read the bundle in folder ``path`` and verify every file of it.

    Raises:
        BundleError: Not a bundle, a newer format, or a file that is missing or changed; each named.
    """
    check_path("path", path)
    folder = Path(path).absolute()
    manifest = folder / MANIFEST
    try:
        data = parse_json(_read_manifest(manifest))
        version = data.get("format_version")
        if version != FORMAT_VERSION:
            raise BundleError(
                f"{folder}: bundle format {version!r:.40} cannot be read, this release reads format {FORMAT_VERSION}; "
                "upgrade milvus-hash or export the model again"
            )
        bundle = Bundle(path=folder, **parse_index(data))
    except InputError as error:
        raise BundleError(f"{manifest} is damaged: {error}; export the model again") from error
    for name in files_of(bundle.modalities):
        if (found := sha256_of(folder / name)) != bundle.sha256[name]:
            raise BundleError(
                f"{folder / name} was changed: sha256 {found}, the bundle lists {bundle.sha256[name]:.64}; "
                "copy the bundle again"
            )
    return bundle


def _read_manifest(manifest: Path) -> bytes:
    try:
        return read_file(manifest, MOST_MANIFEST_BYTES)
    except BundleError as error:
        if isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
            raise BundleError(f"{manifest.parent} is not a bundle: {_why_not(manifest.parent)}") from error
        raise


def _why_not(folder: Path) -> str:
    """What a place without a bundle is instead, and what to name or do."""
    if folder.is_file():
        if (folder.parent / MANIFEST).is_file():
            return f"it is a file of one; name its folder, {folder.parent}"
        return "it is a file, and a bundle is a folder; unpack an archive, and name the folder with its bundle.json"
    if not folder.is_dir():
        return "there is no such folder; `milvus-hash export` writes one"
    if next(folder.glob("*.pt"), None):
        return f"it is a training run; `milvus-hash export {folder} --out FOLDER` makes a bundle of it"
    if inner := sorted(file.parent for file in folder.glob(f"*/{MANIFEST}")):
        return f"it has no {MANIFEST}; name one of the bundles in it, such as {inner[0]}"
    return f"it has no {MANIFEST}; `milvus-hash export` writes one"
