"""``milvus-hash dataset``: a public data set's own layout becomes a manifest."""

from __future__ import annotations

from pathlib import Path

import click

from milvus_hash.cli.options import FILE, examples, quiet_option, say

NAMES = (
    "coco",
    "cuhk-pedes",
    "emoji",
    "emoji-video",
    "flickr30k",
    "flickr8k",
    "iapr-tc12",
    "inria-web-queries",
    "mirflickr",
    "msrvtt",
    "nus-wide",
    "openclipart",
)


def _pairs(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """A callback: ``NAME=VALUE`` as a dictionary."""
    pairs = [value.partition("=") for value in values]
    if wrong := next((value for value, (_, mark, _) in zip(values, pairs, strict=True) if not mark), None):
        raise click.BadParameter(f"{wrong!r} is not NAME=VALUE")
    return {name: text for name, _, text in pairs}


@click.command(
    epilog=examples(
        "milvus-hash dataset openclipart --root /usr/share/openclipart --out clipart.jsonl",
        "milvus-hash dataset emoji --root emoji --out emoji.jsonl --option languages=en,de",
    )
)
@click.argument("name", metavar="NAME", type=click.Choice(NAMES))
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder that holds the data set's own files.",
)
@click.option("--out", type=FILE, required=True, help="The manifest to write: .parquet, .jsonl or .csv.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_pairs,
    help="An option of the data set, such as query=2000 or split=karpathy; may be repeated.",
)
@quiet_option
def command(name: str, root: Path, out: Path, options: dict[str, str], quiet: bool) -> None:
    """Write the manifest of the data set NAME, whose files lie below --root.

    NAME: coco, cuhk-pedes, emoji, emoji-video, flickr30k, flickr8k, iapr-tc12, inria-web-queries, mirflickr, msrvtt,
    nus-wide or openclipart. docs/datasets.md says of each where it comes from, which files it needs and which options
    it has.
    """
    from milvus_hash.extras import require
    from milvus_hash.manifest import write_manifest

    datasets = require("milvus_hash_export.datasets", "export")
    read = datasets.DATASETS[name]
    rows = write_manifest(out, read(root, **datasets.parse_options(read, options)))
    say(f"{rows:,} rows: {out}", quiet=quiet)
