"""What int8 and fp16 cost and give: one table of runs x modalities x precisions.

    python tests/benchmarks/precisions.py RUN...

Every run is exported in both precisions. Bits are compared with those of the float32 graph over the query split of the
run's manifest; speed is that of the graph alone on decoded inputs, measured in turns with the float32 graph on every
core, so only the ratio means something; the mAP is that of the modality's queries into each other modality at the full
length, both graphs in the precision of the row. The last line is one JSON object with the figures at every length.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from milvus_hash_export.export import export
from milvus_hash_export.quantize import PRECISIONS

COLUMNS = ("run", "method", "modality", "precision", "MB", "items/s", "x float32", "bits equal", "mAP", "cost")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    measured = {}
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for run in parser.parse_args().runs:
        with tempfile.TemporaryDirectory() as folder:
            for precision in PRECISIONS:
                bundle = export(run, Path(folder) / precision, quantize=precision)
                measured[f"{bundle.name} {precision}"] = {"method": bundle.method, **bundle.metrics}
                for row in rows(bundle.metrics, bundle.bits[-1], with_float=precision == PRECISIONS[0]):
                    print(f"| {bundle.name} | {bundle.method} | {' | '.join(row)} |", flush=True)
    print(json.dumps({"benchmark": "precisions", "runs": measured}))


def rows(metrics: Mapping[str, Any], bits: int, *, with_float: bool) -> Iterator[list[str]]:
    """Cells from the modality on; the float32 graph has a row of its own once."""
    small = metrics["precision"]
    for modality, rate in metrics["items_per_second"].items():
        for precision in ["float32", small] if with_float else [small]:
            figures = metrics.get(f"map_{precision}", {})
            ways = [way for way in figures if way.startswith(f"{modality}->") and way.endswith(f"@{bits}")]
            ways = [way for way in ways if not way.startswith(f"{modality}->{modality}@")]
            costs = [figures[way] - metrics["map_float32"][way] for way in ways]
            share = 1.0 if precision == "float32" else metrics["agreement"][modality]
            yield [
                modality,
                precision,
                f"{metrics['bytes'][modality][precision] / 1e6:.2f}",
                f"{rate[precision]:,.0f}",
                f"{rate[precision] / rate['float32']:.2f}",
                f"{share:.4f}",
                ", ".join(f"{figures[way]:.3f}" for way in ways),
                ", ".join(f"{cost:+.4f}" for cost in costs),
            ]


if __name__ == "__main__":
    main()
