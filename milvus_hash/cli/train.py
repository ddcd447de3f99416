"""``milvus-hash train``: a manifest becomes a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from milvus_hash.cli.options import FILE, examples, lengths, quiet_option, say


@click.command(
    epilog=examples(
        "milvus-hash train clipart.jsonl --out runs/clipart",
        "milvus-hash train clipart.jsonl --out runs/nested --bits 16,32,64 --recipe starter",
        "milvus-hash train clipart.jsonl --out runs/clipart --resume",
    )
)
@click.argument("manifest", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=FILE, required=True, help="Folder of the run: config, checkpoints, log, curves.")
@click.option("--method", type=click.Choice(["dsmhn"]), help="Training method.")
@click.option("--bits", callback=lengths, help="Code length, or ascending lengths for nested codes: 16,32,64.")
@click.option("--recipe", help="A TOML file of settings, or the name of a recipe that ships with the package.")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training split.")
@click.option("--seed", type=int, help="Fixes weights, batches and views.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@quiet_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    manifest: Path,
    out: Path,
    resume: bool,
    quiet: bool,
    **settings: Any,  # noqa: ANN401 (settings of any type)
) -> None:
    """Train on the rows of MANIFEST whose split is train.

    Every setting has a default; a recipe replaces defaults, and the options here replace the recipe's.
    """
    from milvus_hash.extras import require

    train = require("milvus_hash_export.train", "export").train
    result = train(manifest, out, resume=resume, progress=not quiet, **settings)
    say(
        f"{result.pairs:,} pairs, {result.epochs} epochs, loss {result.loss:.4f}, {result.seconds:.0f} s: {out}\n"
        f"next: milvus-hash export {out} --out BUNDLE",
        quiet=quiet,
    )
    if result.rejected:
        say(f"{result.rejected:,} rows were rejected; {out / 'rejects.jsonl'} lists them", quiet=quiet)
        ctx.exit(3)
