"""``milvus-hash demo``: the main job on the sample that ships with the package."""

from __future__ import annotations

from pathlib import Path

import click

from milvus_hash.cli.ingest import progress_bar, summary
from milvus_hash.cli.options import Model, examples, model_options, quiet_option, quieten_pymilvus, say
from milvus_hash.cli.search import emit_answers
from milvus_hash.errors import BundleError
from milvus_hash.names import ModalityName
from milvus_hash.sheet import Answer, write_sheet

_FILE = Path("milvus_hash_demo.db")
_SHEET = Path("milvus_hash_demo.png")
_TEXTS = ("a flower", "a bird", "playing card", "traffic sign", "a blue flag")
_INTO: tuple[ModalityName, ...] = ("text", "image")  # what the first pictures of the sample are asked about


@click.command(
    epilog=examples(
        "milvus-hash demo",
    )
)
@model_options
@quiet_option
def command(model: Model, quiet: bool) -> None:
    """See it work: a sample of public-domain clip art into Milvus Lite, then questions in words and pictures.

    Writes ./milvus_hash_demo.db (made new each time) and the contact sheet ./milvus_hash_demo.png.
    """
    from milvus_hash.collection import HashCollection
    from milvus_hash.ingest import ingest
    from milvus_hash.manifest import read_source
    from milvus_hash.record import Record, path_of

    manifest = sample_path()
    encoder = model.load()
    quieten_pymilvus()
    _FILE.unlink(missing_ok=True)
    with HashCollection.create("demo", encoder, uri=str(_FILE)) as collection:
        with progress_bar(quiet=quiet) as progress:
            counts = ingest(read_source(manifest), collection, progress=progress)
        say(summary(counts, f"collection 'demo' in {_FILE}"), quiet=quiet)
        answers = [Answer(collection.search(text=text, limit=5), text=text) for text in _TEXTS]
        pictures = [
            path_of(record.image) for record in read_source(manifest) if isinstance(record, Record) and record.image
        ]
        for picture, into in zip(pictures, _INTO, strict=False):
            answers.append(Answer(collection.search(image=picture, into=into, limit=5), image=picture))
    emit_answers(answers)
    write_sheet(_SHEET, answers, pictures=[manifest.parent])
    say(
        f"\nThe hits with their pictures: {_SHEET}\nAsk yourself:        "
        f'milvus-hash search --uri {_FILE} --collection demo --text "a sailing boat"\n'
        "Your own pictures:   milvus-hash ingest FOLDER, then: milvus-hash search --text ...",
        quiet=quiet,
    )


def sample_path() -> Path:
    """The manifest of the sample inside the package.

    Raises:
        BundleError: It is not there.
    """
    from milvus_hash.bundle import starter_path

    manifest = starter_path().parent / "sample" / "manifest.jsonl"
    if not manifest.is_file():
        raise BundleError(f"the sample {manifest} is missing; install milvus-hash again")
    return manifest
