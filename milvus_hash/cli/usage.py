"""Wrong usage: what was probably meant, where click would name what is merely spelled alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from milvus_hash.arguments import meant

_SHOWN = 3  # options of a verb in a message


def no_such_verb(name: str, verbs: Sequence[str]) -> click.UsageError:
    """What to raise for a verb that does not exist.

    Example:
        >>> print(no_such_verb("serach", ("search", "ingest")).message)
        No such command 'serach', but 'search'; the commands are search, ingest.
    """
    near = meant(name, verbs)
    return click.UsageError(
        f"No such command {name!r}{f', but {near!r}' if near else ''}; the commands are {', '.join(verbs)}."
    )


def explained(error: click.UsageError, verbs: Mapping[str, click.Command]) -> click.UsageError:
    """The same error, with the next step where it has none."""
    if error.ctx is None:
        return error
    if isinstance(error, click.NoSuchOption):
        return click.UsageError(f"No such option {error.option_name!r}{_instead(error, verbs)}.", error.ctx)
    if error.message.startswith("Got unexpected extra argument"):
        return click.UsageError(f"{error.message.rstrip('.')}{_takes(error.ctx)}.", error.ctx)
    return error


def _instead(error: click.NoSuchOption, verbs: Mapping[str, click.Command]) -> str:
    """The option or argument of this verb that was meant, or the verbs that have this option."""
    assert error.ctx is not None
    here = {name: _shown(param) for param in error.ctx.command.params for name in _names(param)}
    found = {
        verb: param for verb, command in verbs.items() for param in command.params if error.option_name in param.opts
    }
    of_others = next((param.name for param in found.values() if param.name in here), None)
    if near := meant(error.option_name.lstrip("-").replace("-", "_"), here) or of_others:
        return f", but {here[near]}"
    return f"; {', '.join(found)} {'has' if len(found) == 1 else 'have'} it" if found else ""


def _names(param: click.Parameter) -> list[str]:
    return [str(param.name), *(option.lstrip("-").replace("-", "_") for option in param.opts)]


def _shown(param: click.Parameter) -> str:
    return param.human_readable_name if isinstance(param, click.Argument) else max(param.opts, key=len)


def _takes(ctx: click.Context) -> str:
    command = ctx.command
    arguments = [_shown(param) for param in command.params if isinstance(param, click.Argument)]
    options = [_shown(param) for param in command.params if isinstance(param, click.Option) and not param.is_flag]
    return (
        f"; {ctx.info_name} takes {' and '.join(arguments) or 'nothing'} without an option, and all else after one, "
        f"such as {', '.join(options[:_SHOWN])}"
    )
