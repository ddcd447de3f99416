"""The bundle: what an exported model is on disk, read and verified, or written in one step.

A bundle is a folder with ``bundle.json``, one ONNX graph per modality and a tokenizer. Its *fingerprint* is a
sha256 over everything that decides which code an input gets (graphs, tokenizer, preprocessing), and over
nothing else: two codes may be compared only if their fingerprints agree.
"""

from __future__ import annotations

from milvus_hash.bundle.index import FORMAT_VERSION, MANIFEST
from milvus_hash.bundle.inputs import ImageInput, Modality, Resize, TextInput, VectorInput, VideoInput
from milvus_hash.bundle.reading import Bundle, read_bundle, starter_path
from milvus_hash.bundle.writing import write_bundle

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST",
    "Bundle",
    "ImageInput",
    "Modality",
    "Resize",
    "TextInput",
    "VectorInput",
    "VideoInput",
    "read_bundle",
    "starter_path",
    "write_bundle",
]
