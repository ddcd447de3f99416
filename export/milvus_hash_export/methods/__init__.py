"""Methods: a small class each, with two streams and an objective, and the table of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from milvus_hash_export.methods.base import Method


@dataclass(frozen=True, slots=True)
class Kind:
    """What the training frame must know of a method before it builds one; its module is imported when it is needed.

    Attributes:
        module: File of this package that holds it.
        name: Name of its class; its settings are the class ``<name>Options``.
        needs_labels: Rows without a label cannot be trained on.
        visuals: Modalities that it can pair with texts: ``image``, ``video``.
        words: Its texts start from a table of words; else from a sentence encoder in the hub's layout.
    """

    module: str
    name: str
    needs_labels: bool = False
    visuals: tuple[str, ...] = ("image",)
    words: bool = True

    @property
    def options(self) -> type[Any]:
        """The dataclass of the method's own settings."""
        options: type[Any] = getattr(self._import(), f"{self.name}Options")
        return options

    @property
    def build(self) -> Callable[..., Method]:
        """``build(config, data, *, weights)``: both streams and the objective."""
        build: Callable[..., Method] = getattr(self._import(), f"build_{self.module}")
        return build

    def _import(self) -> Any:  # noqa: ANN401 (a module)
        return import_module(f"{__name__}.{self.module}")


METHODS: dict[str, Kind] = {
    "tvdb": Kind("tvdb", "TVDB", needs_labels=True),
    "dsmhn": Kind("dsmhn", "DSMHN", visuals=("image", "video")),
    "dual-path": Kind("dual_path", "DualPath"),
    "text-guided": Kind("text_guided", "TextGuided", needs_labels=True, words=False),
}
