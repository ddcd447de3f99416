"""``python -m milvus_hash`` is the command ``milvus-hash``."""

from __future__ import annotations

from milvus_hash.cli import main

if __name__ == "__main__":
    main(prog_name="milvus-hash")
