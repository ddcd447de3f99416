"""Options that several verbs share, as decorators, and the objects that they stand for."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from milvus_hash.media.modalities import MODALITIES
from milvus_hash.store.address import ConnectionOptions
from milvus_hash.store.index import KINDS
from milvus_hash.store.masking import mask
from milvus_hash.store.tls import Tls

if TYPE_CHECKING:
    from milvus_hash.encoder import Encoder

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)
INDEX = click.Choice(["auto", *KINDS], case_sensitive=False)
MODALITY = click.Choice(tuple(MODALITIES))

collection_option = click.option(
    "--collection", "-c", default="milvus_hash", show_default=True, help="Name of the collection in Milvus."
)
quiet_option = click.option(
    "--quiet", "-q", is_flag=True, help="No progress and no remarks on stderr, but for a line if inputs were rejected."
)


@dataclass(frozen=True, slots=True)
class Connection:
    """Which Milvus; the fields are the keyword arguments that ``HashCollection`` takes."""

    uri: str = field(repr=False)
    token: str = field(repr=False)
    db: str
    timeout: float
    tls: Tls | None

    def kwargs(self) -> ConnectionOptions:
        """The fields by name."""
        return {"uri": self.uri, "token": self.token, "db": self.db, "timeout": self.timeout, "tls": self.tls}


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
    """Add ``--uri --token --db --timeout`` and those of TLS; the command gets them as ``connection``."""

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
    @click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="How long a call to Milvus may take.",
    )
    @click.option("--ca-cert", type=FILE, help="Authority to trust for an https uri, if it is not a well-known one.")
    @click.option("--client-cert", type=FILE, help="Certificate of this side, with --client-key and --ca-cert.")
    @click.option("--client-key", type=FILE, help="Its key.")
    @click.option("--server-name", default="", help="Name in the server's certificate, if not the host of the uri.")
    @functools.wraps(command)
    def wrapper(
        *args: Any,  # noqa: ANN401
        uri: str,
        token: str,
        db: str,
        timeout: float,
        ca_cert: Path | None,
        client_cert: Path | None,
        client_key: Path | None,
        server_name: str,
        **options: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        quieten_pymilvus()
        _warn_of_readers(token=bool(token), uri=mask(uri) != uri, quiet=options.get("quiet", False))
        certificates = (ca_cert or "", client_cert or "", client_key or "", server_name)
        tls = Tls(*certificates) if any(certificates) else None
        return command(*args, connection=Connection(uri, token, db, timeout, tls), **options)

    return wrapper  # type: ignore[return-value]


def _warn_of_readers(*, quiet: bool, **secrets: bool) -> None:
    """Say which options, of those that hold secrets, stand on the command line."""
    source = click.get_current_context().get_parameter_source
    typed = [f"--{name}" for name, secret in secrets.items() if secret and source(name) is ParameterSource.COMMANDLINE]
    if typed:
        say(
            f"warning: every user of this machine can read {' and '.join(typed)} (ps shows it): "
            "set MILVUS_TOKEN instead",
            quiet=quiet,
        )


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
    import_module("milvus_hash.store.driver")  # importing pymilvus sets the levels that are changed here
    for name in ("pymilvus", "pymilvus.milvus_client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def say(message: str, *, quiet: bool = False) -> None:
    """A remark for people, on stderr."""
    if not quiet:
        sys.stderr.write(f"{message}\n")
