"""A contact sheet: what was asked and what was found, as one PNG or as one HTML page with everything inside."""

from milvus_hash.sheet.answer import Answer
from milvus_hash.sheet.writing import SUFFIXES, allowed, permitted, write_sheet

__all__ = ["SUFFIXES", "Answer", "allowed", "permitted", "write_sheet"]
