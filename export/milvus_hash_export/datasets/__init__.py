"""Data sets in their own public layouts: each function turns one into the records of a manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from milvus_hash.record import Record
from milvus_hash_export.datasets.coco import coco
from milvus_hash_export.datasets.cuhk_pedes import cuhk_pedes
from milvus_hash_export.datasets.emoji import emoji
from milvus_hash_export.datasets.emoji_video import emoji_video
from milvus_hash_export.datasets.flickr8k import flickr8k
from milvus_hash_export.datasets.flickr30k import flickr30k
from milvus_hash_export.datasets.iapr_tc12 import iapr_tc12
from milvus_hash_export.datasets.inria_web_queries import inria_web_queries
from milvus_hash_export.datasets.mirflickr import mirflickr
from milvus_hash_export.datasets.msrvtt import msrvtt
from milvus_hash_export.datasets.nus_wide import nus_wide
from milvus_hash_export.datasets.openclipart import openclipart
from milvus_hash_export.datasets.options import parse_options

__all__ = ["DATASETS", "parse_options"]

DATASETS: Mapping[str, Callable[..., Iterator[Record]]] = {
    "coco": coco,
    "cuhk-pedes": cuhk_pedes,
    "emoji": emoji,
    "emoji-video": emoji_video,
    "flickr30k": flickr30k,
    "flickr8k": flickr8k,
    "iapr-tc12": iapr_tc12,
    "inria-web-queries": inria_web_queries,
    "mirflickr": mirflickr,
    "msrvtt": msrvtt,
    "nus-wide": nus_wide,
    "openclipart": openclipart,
}
