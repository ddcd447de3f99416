"""The data set INRIA Web Queries (Krapac et al., CVPR 2010): 71,478 pictures that a search engine gave for 353 queries.

The layout, as https://lear.inrialpes.fr/~krapac/webqueries/webqueries.html describes it, in a folder ``webqueries``:

- ``images/query_Q_document_D_imagethumb.jpg``;
- ``metadata/query_Q_document_D_textmeta.xml``: ``<documentmeta>`` with ``<concept>``, ``<rank>``, ``<language>``,
  ``<referer>``, ``<imageUrl>``, ``<before>``, ``<after>``, ``<ptitle>`` and ``<alt>``;
- ``queries_en_trans.txt``: lines ``Q "QUERY IN ENGLISH"``;
- ``labels.txt``: lines ``Q D 1`` for a picture that fits its query, ``Q D 0`` for one that does not.

The text is what the web page says of the picture: its alternative text, the page's title and the words before and
after it, joined by full stops. The label is the query in English. Pictures that do not fit their query, of which
nobody said what they show, are left out without a warning, and so are pictures without a text. Relevance: the same
query. No split was found published, nor which text TVDB took: here ``query`` is 10 % by the hash of the id, else
``database`` and ``train``. Licence: none stated; the pictures are their owners'.
Checked against: that page, except the quotes around a query, which a reader in a public repository takes off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from milvus_hash.record import Record
from milvus_hash_export.datasets.files import is_there, leave_out, need, read_lines
from milvus_hash_export.datasets.splits import QUERY, TRAIN, is_query

SOURCE = "unpack the archive of lear.inrialpes.fr/~krapac/webqueries into --root"

_QUERY_PERCENT = 10
_TEXTS = ("alt", "ptitle", "before", "after")


def inria_web_queries(root: Path) -> Iterator[Record]:
    """The rows of INRIA Web Queries, in the order of the labels' file.

    Args:
        root: The folder that holds ``webqueries``.

    Raises:
        InputError: When the first row is asked for: a file or folder is missing.
    """
    folder = root / "webqueries"
    images, metadata = need(folder / "images", SOURCE), need(folder / "metadata", SOURCE)
    queries = _read_queries(folder / "queries_en_trans.txt")
    path = folder / "labels.txt"
    for number, line in enumerate(read_lines(path, SOURCE), start=1):
        query, document, fits = cells if len(cells := line.split()) == 3 else ("", "", "")
        identifier = f"query_{query}_document_{document}"
        if query not in queries or fits not in ("0", "1"):
            if line:
                leave_out(f"{path}, line {number}", "it is not the number of a query, a document's, and 0 or 1")
        elif fits == "1" and is_there(image := images / f"{identifier}_imagethumb.jpg"):
            text = _read_text(metadata / f"{identifier}_textmeta.xml")
            if text:
                yield Record(
                    id=identifier,
                    image=str(image),
                    texts=(text,),
                    labels=(queries[query],),
                    splits=QUERY if is_query(identifier, _QUERY_PERCENT) else TRAIN,
                )


def _read_queries(path: Path) -> dict[str, str]:
    pairs = (line.partition(" ") for line in read_lines(path, SOURCE) if line)
    return {number: text.strip().strip('"') for number, _, text in pairs}


def _read_text(path: Path) -> str:
    """What the page says of a picture; empty, with a warning, where the file is missing or broken."""
    if not is_there(path):
        return ""
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        leave_out(str(path), f"it is not XML: {error}")
        return ""
    texts = {element.tag: " ".join(" ".join(element.itertext()).split()) for element in root}
    return ". ".join(filter(None, (texts.get(tag) for tag in _TEXTS)))
