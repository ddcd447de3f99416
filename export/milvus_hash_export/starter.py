"""Rebuild what ships inside the package: the starter bundle and the sample.

::

    python -m milvus_hash_export.starter --root /usr/share/openclipart --out milvus_hash/starter

Trains ``recipes/starter.toml`` on the training split of clipart, exports it as int8, and picks the sample from
the query split, which the training never saw.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import click

from milvus_hash.errors import InputError
from milvus_hash.manifest import write_manifest
from milvus_hash.media.image import read_picture
from milvus_hash.record import Record, path_of
from milvus_hash_export.datasets import DATASETS

SAMPLE_SIZE = 250
_SIDE = 256  # longest side of a sample picture, in pixels


@click.command()
@click.option("--root", type=click.Path(exists=True, path_type=Path), required=True, help="Folder with png/ and svg/.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder that gets bundle/ and sample/.")
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/starter"), help="Folder for the run.")
def main(root: Path, out: Path, work: Path) -> None:
    """Train and export the starter bundle, and pick the sample; when interrupted, go on in the same folder."""
    from milvus_hash_export.export import export
    from milvus_hash_export.train import train

    records = list(DATASETS["openclipart"](root))
    write_sample(_unseen(records), out / "sample")
    manifest = work / "clipart.jsonl"
    work.mkdir(parents=True, exist_ok=True)
    write_manifest(manifest, records)
    started = (work / "run" / "config.json").is_file()
    train(manifest, work / "run", recipe="starter", resume=started)
    export(work / "run", out / "bundle", quantize="int8", name="starter")


def write_sample(records: Iterable[Record], folder: Path) -> int:
    """Write up to ``SAMPLE_SIZE`` pictures of ``records`` with their texts to ``folder``; return their number."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "images").mkdir(parents=True)
    return write_manifest(folder / "manifest.jsonl", _shrunk(_spread(records), folder / "images"))


def _unseen(records: Iterable[Record]) -> list[Record]:
    """Records in the public domain, with a text, of pictures that the training split does not have.

    Clipart files some pictures under two ids, which may fall into different splits; the file tells.
    """
    records = [record for record in records if record.image]
    files = [Path(path_of(record.image)).resolve() for record in records]
    trained = {file for file, record in zip(files, records, strict=True) if "train" in record.splits}
    return [
        record
        for file, record in zip(files, records, strict=True)
        if record.texts and record.metadata["licence"] == "public domain" and file not in trained
    ]


def _spread(records: Iterable[Record]) -> Iterator[Record]:
    """Records in an order that takes one of every label in turn, each label's by hash of the id."""
    by_label: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda r: hashlib.sha256(r.id.encode()).digest()):
        by_label.setdefault(record.labels[0], []).append(record)
    queues = [by_label[label] for label in sorted(by_label)]
    while any(queues):
        yield from (queue.pop(0) for queue in queues if queue)


def _shrunk(records: Iterable[Record], folder: Path) -> Iterator[Record]:
    """The first ``SAMPLE_SIZE`` records whose pictures differ, each with a small copy of its picture."""
    seen: set[bytes] = set()
    for record in records:
        if len(seen) == SAMPLE_SIZE:
            return
        try:
            data = _small_webp(record)
        except InputError:
            continue
        digest = hashlib.sha256(data).digest()
        if digest not in seen:
            seen.add(digest)
            path = folder / f"{record.id.replace('/', '-')}.webp"
            path.write_bytes(data)
            yield replace(record, image=str(path), splits=("database",))


def _small_webp(record: Record) -> bytes:
    """The picture of ``record``, at most ``_SIDE`` pixels on its longest side, as WebP."""
    picture = read_picture(record.image or "")
    picture.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=80, method=6)
    return stream.getvalue()


if __name__ == "__main__":
    main()
