"""Arguments that cannot be meant so: what the caller wrote, and the next step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, wraps
from inspect import Parameter, iscoroutinefunction, signature
from typing import Any, TypeVar

from milvus_hash.errors import InputError

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Class = TypeVar("_Class", bound=type)

_LIKENESS = 0.7  # of two names, from which one may be a slip for the other

_INSTEAD = "_instead"

_HERE = {
    "limit": ("k", "n", "top_k", "topk", "n_results", "similarity_top_k", "max_results"),
    "size": ("limit", "page_size"),
    "after": ("page", "offset"),
    "filter": ("expr", "expression", "condition", "where"),
    "items": ("id", "ids", "item", "keys", "pks"),
    "text": ("q", "query", "query_text", "query_texts", "question", "sentence", "prompt"),
    "texts": ("caption", "captions", "description", "document", "documents"),
    "image": ("img", "path", "picture", "photo", "image_path", "file_name"),
    "metadata": ("meta", "metadatas", "payload", "properties"),
    "id": ("item", "key", "pk"),
    "item": ("id", "key", "pk"),
    "uri": ("url", "host", "port", "address", "client"),
    "db": ("database", "db_name"),
    "token": ("api_key", "auth"),
    "name": ("collection", "collection_name"),
    "encoder": ("embedding", "embedding_function", "model"),
    "bits": ("dim", "dimension"),
    "index": ("index_type", "index_params"),
    "recall": ("target_recall",),
    "providers": ("device",),
    "provider": ("device",),
    "consistency": ("consistency_level",),
}
"""What an argument, or an option of a command, is called in other libraries."""


def meant(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that ``name`` probably stands for.

    Example:
        >>> meant("top_k", ["into", "limit"]), meant("limt", ["into", "limit"]), meant("colour", ["into"])
        ('limit', 'limit', None)
    """
    names = list(known)
    same = [here for here in names if name in _HERE.get(here, ())]
    return next(iter([*same, *get_close_matches(name, names, 1, _LIKENESS)]), None)


def check_arguments(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse arguments that do not exist, in the words of the caller's own call.

    Raises:
        TypeError: As Python itself does, of inner functions, which would tell the caller nothing.

    Example:
        >>> check_arguments(["limt"], ["limit", "offset"])
        Traceback (most recent call last):
        TypeError: there is no argument 'limt', but 'limit'; the arguments are limit, offset
    """
    names = list(known)
    for name in given:
        if name not in names:
            raise TypeError(f"there is no argument {name!r}{_but(name, names)}; the arguments are {', '.join(names)}")


def _but(name: str, known: Iterable[str]) -> str:
    near = meant(name, known)
    return f", but {near!r}" if near else ""


@dataclass(frozen=True, slots=True)
class _Accepted:
    """What a function can be called with.

    Attributes:
        call: What messages call it.
        names: Of its arguments, without ``self``; those of a dictionary of options among them.
        unnamed: How many it takes by position, ``self`` among them.
        needed: The arguments without a default; by position or by name.
        bound: Whether the first one is ``self`` or ``cls``.
        any_name: Whether it takes names that are not known here.
        instead: What to call in its place.
    """

    call: str
    names: Mapping[str, None]
    unnamed: float
    needed: tuple[str, ...]
    bound: bool
    any_name: bool
    instead: str

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Refuse a call that Python would refuse, and name the next step."""
        wrong = None
        if len(args) > self.unnamed:
            most = int(self.unnamed) - self.bound
            named = [*self.names][most:]
            how = f"without a name: write {named[0]}=..., and so on" if named else "in all"
            wrong = f"{len(args) - self.bound} arguments are given, and {most or 'none'} can be {how}"
        elif not self.any_name and not kwargs.keys() <= self.names.keys():
            name = next(name for name in kwargs if name not in self.names)
            wrong = f"there is no argument {name!r}{_but(name, self.names)}"
        elif len(args) < len(self.needed) and (missing := [n for n in self.needed[len(args) :] if n not in kwargs]):
            wrong = f"{missing[0]} is missing"
        if wrong is not None:
            raise TypeError(f"{self.call}: {wrong}; the arguments are {', '.join(self.names)}{self.instead}")


@cache
def _accepted(function: Callable[..., Any]) -> _Accepted:
    names: dict[str, None] = {}
    needed: list[str] = []
    unnamed, any_name = 0.0, False
    for name, parameter in signature(function).parameters.items():
        if parameter.kind is Parameter.VAR_POSITIONAL:
            unnamed = float("inf")
        elif parameter.kind is Parameter.VAR_KEYWORD:
            options = function.__globals__.get(str(parameter.annotation).removeprefix("Unpack[").removesuffix("]"))
            any_name = options is None
            names |= dict.fromkeys(getattr(options, "__annotations__", ()))
        else:
            names[name] = None
            unnamed += parameter.kind is not Parameter.KEYWORD_ONLY
            if parameter.default is Parameter.empty:
                needed.append(name)
    bound = next(iter(names), "") in ("self", "cls")
    call = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]
    shown = dict.fromkeys([*names][bound:])
    return _Accepted(f"{call}()", shown, unnamed, tuple(needed), bound, any_name, getattr(function, _INSTEAD, ""))


def plain(function: _Function) -> _Function:
    """Have a call with wrong arguments refused in words that name the right ones, before anything is done.

    Python's own words name inner classes, and not what could have been written. Keyword arguments that are unpacked
    from a ``TypedDict`` count as arguments.
    """
    if iscoroutinefunction(function):

        @wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (whatever the function takes)
            _accepted(function).check(args, kwargs)
            return await function(*args, **kwargs)

        return awaited  # type: ignore[return-value]

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        _accepted(function).check(args, kwargs)
        return function(*args, **kwargs)

    return called  # type: ignore[return-value]


def plain_methods(kind: _Class) -> _Class:
    """:func:`plain` for all public methods of a class, and for the making of one."""
    made_by = [name for name in ("create", "open", "load") if name in vars(kind)]
    for name, value in list(vars(kind).items()):
        if name == "__init__" and made_by:
            setattr(value, _INSTEAD, f"; {' and '.join(f'{kind.__name__}.{verb}()' for verb in made_by)} make one")
        if isinstance(value, classmethod | staticmethod):
            setattr(kind, name, type(value)(plain(value.__func__)))
        elif callable(value) and (name == "__init__" or not name.startswith("_")):
            setattr(kind, name, plain(value))
    return kind


def listed(name: str, value: Any, what: str) -> list[Any]:  # noqa: ANN401 (whatever is given)
    """``value`` as a list, where several are taken.

    Args:
        name: Of the argument.
        value: What was given.
        what: What the list holds, for messages.

    Raises:
        InputError: It is a single text, or nothing that can be gone through.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        shown = "value" if repr(value).startswith("<") else f"{value!r:.60}"
        one = "" if value is None or isinstance(value, Mapping) else f": write [{shown}]"
        raise InputError(f"{name} is a {type(value).__name__}; a list of {what} is needed{one}")
    return list(value)


def check_mapping(name: str, value: object, example: str) -> None:
    """Refuse what has no values by name.

    Raises:
        InputError: The message shows the ``example``.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{name} is a {type(value).__name__}: values by name are needed, as in {example}")


def check_path(name: str, value: object) -> None:
    """Refuse what is no path.

    Raises:
        InputError: It is neither a text nor a path.
    """
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"{name} is a {type(value).__name__}: a path is needed")


def check_whole(name: str, value: object, *, least: int) -> None:
    """Refuse what is no whole number from ``least`` on.

    Raises:
        InputError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name}={value!r}: an integer from {least} on is needed")


def check_encoder(encoder: object) -> None:
    """Refuse what is no encoder, such as the path of its bundle.

    Raises:
        InputError: The message says how to make one.
    """
    if not hasattr(encoder, "bundle") or isinstance(encoder, type):
        raise InputError(f"encoder is a {type(encoder).__name__}: Encoder.load(path) makes one of a bundle")


def check_collection(collection: object, *, has: str = "add_codes") -> None:
    """Refuse what is no collection that answers at once, such as its name, or one that has to be awaited.

    Args:
        collection: What was given as one.
        has: An attribute that is needed.

    Raises:
        InputError: The message says how to make one.
    """
    if not hasattr(collection, has) or iscoroutinefunction(getattr(collection, has)):
        raise InputError(
            f"collection is a {type(collection).__name__}: HashCollection.open(name, encoder, uri=...) gives one"
        )
