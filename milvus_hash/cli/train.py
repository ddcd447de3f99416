"""``milvus-hash train``: a manifest becomes a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from milvus_hash.cli.options import FILE, examples, lengths, quiet_option, say

METHODS = ("tvdb", "dsmhn", "dual-path", "text-guided")  # named here, because --help must not need torch


@click.command(
    epilog=examples(
        "milvus-hash train clipart.jsonl --out runs/clipart",
        "milvus-hash train clipart.jsonl --out runs/nested --bits 16,32,64,128,256 --recipe starter",
        "milvus-hash train clipart.jsonl --out runs/tvdb --method tvdb --set epochs=10 --set patience=3",
        "milvus-hash train clipart.jsonl --out runs/clipart --resume",
        "accelerate launch -m milvus_hash train clipart.jsonl --out runs/two --set precision=bf16",
    )
)
@click.argument("manifest", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=FILE, required=True, help="Folder of the run: config, checkpoints, log, curves.")
@click.option("--method", type=click.Choice(METHODS), help="Training method.  [default: dsmhn]")
@click.option("--bits", callback=lengths, help="Code length, or ascending lengths for nested codes: 16,32,64.")
@click.option("--recipe", help="A TOML file of settings, or the name of a recipe that ships with the package.")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training split.")
@click.option("--seed", type=int, help="Fixes weights, batches and views.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any other setting, shared or of the method; the value as in TOML. May be repeated.",
)
@click.option("--cache", type=FILE, help="Folder for frozen features, shared between runs.  [default: the run]")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@quiet_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    manifest: Path,
    out: Path,
    assignments: tuple[str, ...],
    cache: Path | None,
    resume: bool,
    quiet: bool,
    **settings: Any,  # noqa: ANN401 (settings of any type)
) -> None:
    """Train on the rows of MANIFEST whose split is train.

    Every setting has a default; a recipe replaces defaults, and the options here replace the recipe's.
    """
    from milvus_hash.extras import require

    train = require("milvus_hash_export.train", "export").train
    given = {name: value for name, value in settings.items() if value is not None}
    assigned = require("milvus_hash_export.config", "export").parse_settings(assignments)
    if stray := assigned.keys() & {"cache", "manifest", "out", "progress", "recipe", "resume"}:
        raise click.BadParameter(f"{', '.join(sorted(stray))} is not a setting of a training", param_hint="--set")
    result = train(manifest, out, resume=resume, cache=cache, progress=not quiet, **given | assigned)
    figure = "" if result.validation is None else f", validation {result.validation:.4f}"
    say(
        f"{result.pairs:,} pairs, {result.epochs} epochs, loss {result.loss:.4f}{figure}, {result.seconds:.0f} s: "
        f"{out}\nnext: milvus-hash export {out} --out BUNDLE",
        quiet=quiet,
    )
    if result.rejected:
        say(f"{result.rejected:,} rows were rejected; {out / 'rejects.jsonl'} lists them")
        ctx.exit(3)
