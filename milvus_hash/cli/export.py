"""``milvus-hash export``: a training run becomes a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from milvus_hash.cli.options import FILE, examples, quiet_option, say


@click.command(
    epilog=examples(
        "milvus-hash export runs/clipart --out bundles/clipart",
        "milvus-hash export runs/clipart --out bundles/clipart-int8 --quantize int8",
    )
)
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=FILE, required=True, help="Folder of the bundle; it must be new, empty or a bundle.")
@click.option("--quantize", type=click.Choice(["int8"]), help="Write smaller graphs; the loss is measured.")
@quiet_option
def command(run: Path, out: Path, quantize: str | None, quiet: bool) -> None:
    """Export the training RUN as a bundle that the encoder reads."""
    from milvus_hash.extras import require

    bundle = require("milvus_hash_export.export", "export").export(run, out, quantize=quantize)
    say(f"{bundle.name}, {bundle.bits[-1]} bits, fingerprint {bundle.fingerprint[:12]}: {out}", quiet=quiet)
