"""A bundle, written beside its place and put there in one step."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from milvus_hash.bundle.files import sha256_of
from milvus_hash.bundle.index import FORMAT_VERSION, MANIFEST, check_lengths, entry_of, files_of, fingerprint_of
from milvus_hash.bundle.inputs import Modality
from milvus_hash.bundle.reading import Bundle, read_bundle
from milvus_hash.bundle.swap import put_in_place
from milvus_hash.errors import BundleError, InputError


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

    Everything is written beside ``path``, verified, and put in place at the end: whatever fails, and wherever the
    process is killed, ``path`` holds the old bundle or the new one.

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
        BundleError: ``path`` holds something else, a named file is not given, or a value cannot be in a bundle.
        OSError: A file cannot be read, or the disk is full.
    """
    target = Path(path).resolve()
    if target.exists() and not (target / MANIFEST).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise BundleError(f"{target} exists and is not a bundle; choose another folder")
    try:
        lengths, needed = check_lengths(bits), files_of(modalities)
    except InputError as error:
        raise BundleError(str(error)) from error
    if missing := [name for name in needed if name not in files]:
        raise BundleError(f"no source is given for {', '.join(missing)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        fresh = Path(scratch) / "new"
        fresh.mkdir()
        for file in needed:
            shutil.copyfile(files[file], fresh / file)
        digests = {file: sha256_of(fresh / file) for file in needed}
        manifest = {
            "format_version": FORMAT_VERSION,
            "name": name,
            "method": method,
            "bits": list(lengths),
            "modalities": {key: entry_of(modality) for key, modality in modalities.items()},
            "fingerprint": fingerprint_of(lengths, modalities, digests),
            "sha256": digests,
            "licence": licence,
            "trained_on": trained_on,
            "metrics": dict(metrics or {}),
        }
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written = read_bundle(fresh)
        for file in (*needed, MANIFEST):
            _to_disk(fresh / file)
        put_in_place(fresh, target)
    return replace(written, path=target)


def _to_disk(file: Path) -> None:
    """Have the content on the disk before the name: after a power cut one without the other would be a broken file."""
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())
