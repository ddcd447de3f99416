"""The command ``milvus-hash``: one thin module a verb, loaded when it is needed.

Data goes to stdout (JSON lines into a pipe, a table on a terminal), progress and warnings to stderr.
Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 done but some inputs were rejected, 130 and 143 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from importlib import import_module
from typing import Any

import click

from milvus_hash import __version__
from milvus_hash.cli.interrupt import raising_signals
from milvus_hash.cli.options import examples, say
from milvus_hash.cli.streams import Streams
from milvus_hash.cli.usage import explained, no_such_verb
from milvus_hash.errors import MilvusHashError
from milvus_hash.signals import INTERRUPTED, leave_on_signals

VERBS = ("demo", "dataset", "train", "export", "eval", "ingest", "search", "delete", "tune", "adopt", "alias", "doctor")


class _Verbs(click.Group):
    """Finds a verb in the module of its name; turns errors and signals into one line and an exit code."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (click's own signature)
        """Be the process: its streams, signals and terminal are taken care of."""
        leave_on_signals()
        streams = Streams()
        _heed_terminal()
        try:
            self.main(*args, **kwargs)
        except SystemExit as end:
            if lost := streams.finish():
                say(f"Error: stdout cannot be written ({lost}), so that results are missing; the work itself is done.")
                sys.exit(1)
            sys.exit(end.code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise no_such_verb(args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        return _command(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 (click's own signature)
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            ctx.color = False
        try:
            with raising_signals():
                return super().invoke(ctx)
        except click.UsageError as error:
            raise explained(error, {verb: _command(verb) for verb in VERBS}) from None
        except MilvusHashError as error:
            raise click.ClickException(" ".join(str(error).split())) from error
        except KeyboardInterrupt as error:
            say(INTERRUPTED)
            ctx.exit(128 + getattr(error, "signal", signal.SIGINT))


def _command(verb: str) -> click.Command:
    command: click.Command = import_module(f"milvus_hash.cli.{verb}").command
    return command


def _heed_terminal() -> None:
    """Draw no bars where the cursor cannot go back; say a warning in a line, without the code that it comes from."""
    if os.environ.get("TERM") == "dumb":
        os.environ.setdefault("TQDM_DISABLE", "1")
    warnings.formatwarning = lambda message, *_args, **_kwargs: f"Warning: {message}\n"


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
