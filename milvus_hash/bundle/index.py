"""``bundle.json``: what a bundle says of itself, read strictly, and the fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from milvus_hash.bundle.files import is_name
from milvus_hash.bundle.inputs import INPUTS, Modality, TextInput
from milvus_hash.errors import InputError

FORMAT_VERSION = 1
MANIFEST = "bundle.json"
MOST_MANIFEST_BYTES = 4 << 20  # names, hashes and figures: some kilobytes

_MOST_BITS = 32_768  # distances are uint16 (milvus_hash.codes)
_DEEPEST = 32  # figures nest three levels deep
_KINDS: dict[str, type] = {
    "name": str,
    "method": str,
    "bits": list,
    "modalities": dict,
    "fingerprint": str,
    "sha256": dict,
    "licence": str,
    "trained_on": str,
    "metrics": dict,
}


def parse_json(data: bytes) -> dict[str, Any]:
    """The JSON object in ``data``.

    Raises:
        InputError: Not one, not UTF-8, nested too deep, or with a key that comes twice.
    """
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_object)
        _check_depth(found)
        json.dumps(found, ensure_ascii=False).encode()  # an escaped half of a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise InputError(str(error)) from error
    if not isinstance(found, dict):
        raise InputError("not a JSON object")
    return found


def parse_index(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a :class:`milvus_hash.bundle.Bundle` in the JSON object ``data`` of this format version.

    Raises:
        InputError: Something is missing or not what it has to be; it is named.
    """
    for name, kind in _KINDS.items():
        if not isinstance(data.get(name), kind):
            raise InputError(f"{name} is {_shown(data.get(name))}; a JSON {_JSON[kind]} is needed")
    for name in ("name", "method"):
        if not data[name].isprintable():
            raise InputError(f"{name} is {_shown(data[name])}; printable characters are needed")
    fields = {name: data[name] for name in _KINDS}
    fields["bits"] = check_lengths(data["bits"])
    fields["modalities"] = {name: _modality(name, entry) for name, entry in data["modalities"].items()}
    if not fields["modalities"]:
        raise InputError("modalities is empty; one is needed")
    for name in files_of(fields["modalities"]):
        if not isinstance(data["sha256"].get(name), str):
            raise InputError(f"sha256 has no text for {name!r}")
    if fingerprint_of(fields["bits"], fields["modalities"], data["sha256"]) != data["fingerprint"]:
        raise InputError("the fingerprint does not fit its contents")
    return fields


def check_lengths(bits: Sequence[int]) -> tuple[int, ...]:
    """Return ``bits`` if they can be the code lengths of a bundle.

    Raises:
        InputError: They are not ascending multiples of 8, or too long.
    """
    for length in bits:
        if isinstance(length, bool) or not isinstance(length, int) or not 0 < length <= _MOST_BITS or length % 8:
            break
    else:
        if bits and list(bits) == sorted(set(bits)):
            return tuple(bits)
    raise InputError(f"code lengths {_shown(list(bits))} are not ascending multiples of 8 up to {_MOST_BITS:,}")


def files_of(modalities: Mapping[str, Modality]) -> list[str]:
    """Names of the files that ``modalities`` need, sorted.

    Raises:
        InputError: One of them cannot be a file in the bundle's own folder.
    """
    names = [modality.graph for modality in modalities.values()]
    names += [m.input.tokenizer for m in modalities.values() if isinstance(m.input, TextInput)]
    if odd := [name for name in names if not is_name(name) or name == MANIFEST]:
        raise InputError(f"file names {_shown(odd)} lead out of the bundle; only plain names are allowed")
    return sorted(set(names))


def entry_of(modality: Modality) -> dict[str, Any]:
    """What ``bundle.json`` says of a modality."""
    return {"graph": modality.graph, "input": asdict(modality.input)}


def fingerprint_of(bits: Sequence[int], modalities: Mapping[str, Modality], digests: Mapping[str, str]) -> str:
    """The fingerprint of a bundle whose files have the sha256 ``digests``."""
    parts = {
        "bits": bits[-1],  # listing one more nested length does not change a code
        "modalities": {key: entry_of(modalities[key]) for key in sorted(modalities)},
        "sha256": {name: digests[name] for name in files_of(modalities)},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _modality(name: str, entry: object) -> Modality:
    if name not in INPUTS:
        raise InputError(f"the modality {_shown(name)} is unknown; {', '.join(INPUTS)} are known")
    if not isinstance(entry, dict) or not isinstance(entry.get("input"), dict):
        raise InputError(f"{name} is {_shown(entry)}; an object with a graph and an input is needed")
    try:
        return Modality(entry.get("graph", ""), INPUTS[name](**entry["input"]))
    except (InputError, TypeError) as error:  # TypeError: an argument that is missing or unknown
        raise InputError(f"{name}: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"of the keys {_shown(sorted(key for key, _ in pairs))} one comes twice")
    return found


def _check_depth(value: object, left: int = _DEEPEST) -> None:
    if not left:
        raise ValueError(f"nested deeper than {_DEEPEST} levels")
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_depth(child, left - 1)


_JSON: dict[type, str] = {str: "string", list: "array", dict: "object"}


def _shown(value: object) -> str:
    return f"{value!r:.60}"
