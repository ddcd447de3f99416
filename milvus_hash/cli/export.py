"""``milvus-hash export``: a training run becomes a bundle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import click

from milvus_hash.cli.options import FILE, examples, quiet_option, say
from milvus_hash.cli.output import emit

_COLUMNS = ("modality", "inputs", "parity", "precision", "agreement", "mb", "of_float32", "speed")


@click.command(
    epilog=examples(
        "milvus-hash export runs/clipart --out bundles/clipart",
        "milvus-hash export runs/clipart --out bundles/clipart-int8 --quantize int8",
        "milvus-hash export runs/clipart --out bundles/clipart-fp16 --quantize fp16",
    )
)
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=FILE, required=True, help="Folder of the bundle; it must be new, empty or a bundle.")
@click.option(
    "--quantize",
    type=click.Choice(["int8", "fp16"]),
    help="Write smaller graphs: int8 is the smallest and fastest, fp16 costs next to no bits; the loss is measured.",
)
@quiet_option
def command(run: Path, out: Path, quantize: str | None, quiet: bool) -> None:
    """Export the training RUN as a bundle that the encoder reads.

    Prints for each modality on how many inputs of the query split the graph was compared with the network and the
    share of equal bits (parity); with --quantize also the share of bits that the small graph keeps (agreement), its
    megabytes, those as a share of the float graph's, and its speed as a multiple of the float graph's.
    """
    from milvus_hash.extras import require

    bundle = require("milvus_hash_export.export", "export").export(run, out, quantize=quantize)
    emit(_rows(bundle.metrics), {name: itemgetter(name) for name in _COLUMNS})
    say(f"{bundle.name}, {bundle.bits[-1]} bits, fingerprint {bundle.fingerprint[:12]}: {out}", quiet=quiet)


def _rows(metrics: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One row for each modality; what is measured with ``--quantize`` only is None without it."""
    for modality, parity in metrics["parity"].items():
        row = dict.fromkeys(_COLUMNS) | {
            "modality": modality,
            "inputs": parity["inputs"],
            "parity": parity["bits_equal"],
        }
        if precision := metrics.get("precision"):
            size, rate = metrics["bytes"][modality], metrics["items_per_second"][modality]
            row["precision"] = precision
            row["agreement"] = metrics["agreement"][modality]
            row["mb"] = size[precision] / 1e6
            row["of_float32"] = size[precision] / size["float32"]
            row["speed"] = rate[precision] / rate["float32"]
        yield row
