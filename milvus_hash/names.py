"""The names that arguments take, as types, so that a type checker knows a misspelt one."""

from __future__ import annotations

from typing import Literal, TypeAlias

ModalityName: TypeAlias = Literal["image", "video", "text", "vector"]
"""What rows and questions are."""

IndexName: TypeAlias = Literal["auto", "BIN_FLAT", "BIN_IVF_FLAT", "HNSW", "AUTOINDEX"]
"""How a collection is indexed; :class:`~milvus_hash.store.wanted.CreateOptions` says what each one is."""

ConsistencyName: TypeAlias = Literal["Strong", "Session", "Bounded", "Eventually"]
"""What reads of a server ask for, in Milvus' own words."""
