"""``milvus-hash dataset``: a public data set's own layout becomes a manifest."""

from __future__ import annotations

from pathlib import Path

import click

from milvus_hash.cli.options import FILE, examples, quiet_option, say

NAMES = ("openclipart",)


@click.command(
    epilog=examples(
        "milvus-hash dataset openclipart --root /usr/share/openclipart --out clipart.jsonl",
    )
)
@click.argument("name", type=click.Choice(NAMES))
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder that holds the data set's own files.",
)
@click.option("--out", type=FILE, required=True, help="The manifest to write: .parquet, .jsonl or .csv.")
@quiet_option
def command(name: str, root: Path, out: Path, quiet: bool) -> None:
    """Write the manifest of the data set NAME, whose files lie below --root.

    openclipart: the trees png/ and svg/ of Debian's packages openclipart-png and openclipart-svg.
    """
    from milvus_hash.extras import require
    from milvus_hash.manifest import write_manifest

    read = require("milvus_hash_export.datasets", "export").DATASETS[name]
    rows = write_manifest(out, read(root))
    say(f"{rows:,} rows: {out}", quiet=quiet)
