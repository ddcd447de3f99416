"""Options that several verbs share, as decorators, and the objects that they stand for."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

if TYPE_CHECKING:
    from milvus_hash.encoder import Encoder

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)

collection_option = click.option(
    "--collection", "-c", default="milvus_hash", show_default=True, help="Name of the collection in Milvus."
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress and no remarks on stderr.")


class Where(TypedDict):
    """Keyword arguments of ``HashCollection`` that say where it is."""

    uri: str
    token: str
    db: str


@dataclass(frozen=True, slots=True)
class Connection:
    """Which Milvus; the fields are the keyword arguments that ``HashCollection`` takes."""

    uri: str
    token: str = field(repr=False)
    db: str

    def kwargs(self) -> Where:
        """``uri``, ``token`` and ``db`` by name."""
        return {"uri": self.uri, "token": self.token, "db": self.db}


@dataclass(frozen=True, slots=True)
class Model:
    """Which bundle, and how onnxruntime is to run it."""

    bundle: Path | None
    providers: tuple[str, ...]
    threads: int

    @property
    def path(self) -> Path:
        """The bundle's folder: the one asked for, else the starter bundle of the package."""
        from milvus_hash.bundle import starter_path

        return self.bundle or starter_path()

    def load(self) -> Encoder:
        """The encoder; errors are those of ``Encoder.load``."""
        from milvus_hash.encoder import Encoder

        return Encoder.load(self.path, providers=list(self.providers) or None, threads=self.threads)


def connection_options(command: Command) -> Command:
    """Add ``--uri --token --db``; the command gets them as ``connection``."""

    @click.option(
        "--uri",
        envvar="MILVUS_URI",
        default="milvus_hash.db",
        show_default=True,
        show_envvar=True,
        help="A server (http://localhost:19530) or a file of Milvus Lite (name.db).",
    )
    @click.option("--token", envvar="MILVUS_TOKEN", default="", show_envvar=True, help="user:password, or an API key.")
    @click.option("--db", envvar="MILVUS_DB", default="", show_envvar=True, help="Database on the server.")
    @functools.wraps(command)
    def wrapper(*args: Any, uri: str, token: str, db: str, **options: Any) -> Any:  # noqa: ANN401
        quieten_pymilvus()
        return command(*args, connection=Connection(uri, token, db), **options)

    return wrapper  # type: ignore[return-value]


def model_options(command: Command) -> Command:
    """Add ``--bundle --provider --threads``; the command gets them as ``model``."""

    @click.option("--bundle", "-b", type=FILE, help="Folder of the bundle.  [default: the starter bundle]")
    @click.option(
        "--provider",
        "providers",
        multiple=True,
        metavar="NAME",
        help="onnxruntime execution provider, for instance CUDAExecutionProvider; repeat for a fallback.",
    )
    @click.option(
        "--threads", type=click.IntRange(min=0), default=0, help="Threads of onnxruntime.  [default: all cores]"
    )
    @functools.wraps(command)
    def wrapper(
        *args: Any,  # noqa: ANN401
        bundle: Path | None,
        providers: tuple[str, ...],
        threads: int,
        **options: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        return command(*args, model=Model(bundle, providers, threads), **options)

    return wrapper  # type: ignore[return-value]


def examples(*lines: str) -> str:
    """An epilog of runnable lines, which click is told not to wrap."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def lengths(ctx: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """A callback: ``16,32,64`` as numbers."""
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number or a list of numbers such as 16,32,64") from None


def quieten_pymilvus() -> None:
    """Stop pymilvus from logging the traceback of every error that it raises: the error itself says it in a line."""
    import pymilvus  # its import sets the levels that are changed here

    for name in (pymilvus.__name__, f"{pymilvus.__name__}.milvus_client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def say(message: str, *, quiet: bool = False) -> None:
    """A remark for people, on stderr."""
    if not quiet:
        click.echo(message, err=True)
