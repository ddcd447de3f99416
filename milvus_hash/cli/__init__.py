"""The command ``milvus-hash``: one thin module a verb, loaded when it is needed.

Data goes to stdout (JSON lines into a pipe, a table on a terminal), progress and warnings to stderr.
Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 done but some inputs were rejected, 130 and 143 interrupted.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from milvus_hash import __version__
from milvus_hash.cli.options import examples
from milvus_hash.errors import MilvusHashError

VERBS = ("demo", "dataset", "train", "export", "eval", "ingest", "search", "tune", "adopt", "alias", "doctor")


class _Verbs(click.Group):
    """Finds a verb in the module of its name; turns the package's errors into one line and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"milvus_hash.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 (click's own signature)
        try:
            return super().invoke(ctx)
        except MilvusHashError as error:
            raise click.ClickException(" ".join(str(error).split())) from error
        except KeyboardInterrupt:
            ctx.exit(130)


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "milvus-hash demo                            see it work on the sample that ships with it",
        "milvus-hash ingest my_pictures/             encode a folder into ./milvus_hash.db",
        'milvus-hash search --text "a red flower"    ask',
    ),
)
@click.version_option(__version__, prog_name="milvus-hash")
def main() -> None:
    """Find pictures, clips and texts with words, pictures and clips, by binary codes in Milvus.

    Every verb has its own --help with examples.
    """
