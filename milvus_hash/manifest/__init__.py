"""The manifest: one table format for data, as Parquet, JSON Lines or CSV.

Columns: ``id``, ``image``, ``video`` (``file_name`` is one of the two, going by its suffix), ``text`` (one or a list),
``labels`` (a list) and ``split`` (one or a list of ``train``, ``val``, ``query``, ``database``; absent means
``database``). Paths are absolute or relative to the manifest. Every other column is metadata and travels to Milvus;
empty cells of it do not. CSV has strings only. In a folder's ``metadata.jsonl``, ``.csv`` or ``.parquet`` the id may be
missing: the path in the folder takes its place.
"""

from milvus_hash.manifest.folder import read_folder
from milvus_hash.manifest.reading import SPLITS, read_manifest, write_manifest
from milvus_hash.manifest.source import read_source
from milvus_hash.manifest.tables import STDIN

__all__ = ["SPLITS", "STDIN", "read_folder", "read_manifest", "read_source", "write_manifest"]
