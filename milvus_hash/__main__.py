"""The command ``milvus-hash``, which is also ``python -m milvus_hash``."""

from __future__ import annotations

from milvus_hash.signals import leave_on_signals


def main() -> None:
    """Run the command, ready for Ctrl-C before anything is imported that takes time."""
    leave_on_signals()
    from milvus_hash.cli import main as command

    command(prog_name="milvus-hash")


if __name__ == "__main__":
    main()
