"""An encoder as an embedding function of ``pymilvus.model``.

By its convention: a call, ``encode_queries`` and ``encode_documents`` take a list and give a list of vectors, one
each, and ``dim`` is what the vector field of the collection needs. Nothing there asks for a common base class, so
this package needs no pymilvus.model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from milvus_hash.arguments import check_encoder, plain_methods
from milvus_hash.codes import Codes

if TYPE_CHECKING:
    from milvus_hash.encoder import Encoder
    from milvus_hash.media.image import ImageSource
    from milvus_hash.media.video import VideoSource


@plain_methods
class HashEmbeddingFunction:
    """Texts, pictures and clips to codes that ``MilvusClient.insert`` and ``MilvusClient.search`` take as they are.

    Queries and documents have the same codes: ``encode_queries`` and ``encode_documents`` are there because code
    written for the convention calls them.

    Attributes:
        encoder: What makes the codes.
        dim: Their length in bits, as a BINARY_VECTOR field states it.

    Example:
        >>> from milvus_hash import Encoder
        >>> from milvus_hash.bundle import starter_path
        >>> function = HashEmbeddingFunction(Encoder.load(starter_path()))
        >>> function.dim, [len(code) for code in function(["a red flower", "a blue bus"])]
        (64, [8, 8])
    """

    def __init__(self, encoder: Encoder, bits: int | None = None) -> None:
        """Use ``encoder``, with a nested length if ``bits`` is given.

        Raises:
            InputError: The bundle does not list this length.
        """
        check_encoder(encoder)
        self.encoder = encoder
        self.dim = encoder.check_bits(bits)

    def __call__(self, texts: Sequence[str]) -> list[bytes]:
        """The codes of texts, ``dim // 8`` bytes each.

        Raises:
            InputError: The first text that cannot be used, by its position.
        """
        return _packed(self.encoder.encode_texts(texts, bits=self.dim))

    def encode_queries(self, queries: Sequence[str]) -> list[bytes]:
        """The codes of texts that ask; the same as a call."""
        return self(queries)

    def encode_documents(self, documents: Sequence[str]) -> list[bytes]:
        """The codes of texts that are stored; the same as a call."""
        return self(documents)

    def encode_images(self, images: Sequence[ImageSource]) -> list[bytes]:
        """The codes of pictures: paths, file bytes or Pillow images.

        Raises:
            InputError: The first picture that cannot be used, by its position.
        """
        return _packed(self.encoder.encode_images(images, bits=self.dim))

    def encode_videos(self, videos: Sequence[VideoSource]) -> list[bytes]:
        """The codes of clips: paths or file bytes.

        Raises:
            InputError: The first clip that cannot be used, by its position.
            MissingExtra: A clip needs PyAV, and it is not installed.
        """
        return _packed(self.encoder.encode_videos(videos, bits=self.dim))


def _packed(codes: Codes) -> list[bytes]:
    return [code.tobytes() for code in codes]
