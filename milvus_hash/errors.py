"""Every error that milvus-hash raises on purpose.

::

    MilvusHashError
    ├── BundleError          a bundle is missing, changed, broken or too new
    ├── ProviderError        an onnxruntime execution provider is not available
    ├── InputError           a file, text, code or argument cannot be used
    ├── MissingExtra         an optional dependency is not installed (also an ImportError)
    └── StoreError           Milvus refused, failed or cannot be reached
        ├── AnswerTooLarge   an answer, or a question, is larger than Milvus sends or takes
        └── BundleMismatch   a collection holds codes of another bundle

A message says what failed, the value, what is allowed and the next step.
"""

from __future__ import annotations


class MilvusHashError(Exception):
    """Base of all errors of this package; catch it to catch them all."""


class BundleError(MilvusHashError):
    """A bundle cannot be read: a file is missing, changed, broken or of a newer format."""


class ProviderError(MilvusHashError):
    """An onnxruntime execution provider was asked for that this installation lacks."""


class InputError(MilvusHashError):
    """An input (a file, a text, a code, an argument) cannot be used."""


class MissingExtra(MilvusHashError, ImportError):
    """An optional dependency is not installed; the message holds the pip line that installs it."""


class StoreError(MilvusHashError):
    """Milvus refused a call, failed, or could not be reached."""


class Unsettled(StoreError):
    """A collection is not there, or not complete, or is there by now: another process may be making it."""


class AnswerTooLarge(StoreError):
    """An answer, or a question, is larger than Milvus sends or takes, and cannot be had in parts."""


class BundleMismatch(StoreError):
    """A collection holds codes that another bundle made, so distances would mean nothing."""
