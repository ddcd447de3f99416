"""The data set IAPR TC-12 (Grubinger et al., 2006) with the labels of SAIAPR TC-12 (Escalante et al., CVIU 2010).

The layout is that of iaprtc12.tgz and saiaprtc12ok.zip:

- ``iaprtc12/images/NN/ID.jpg``;
- ``iaprtc12/annotations_complete_eng/NN/ID.eng``, in ISO-8859-1: ``<DOC>`` with ``<TITLE>``, ``<DESCRIPTION>``,
  ``<NOTES>``, ``<LOCATION>``, ``<DATE>``, ``<IMAGE>images/NN/ID.jpg</IMAGE>``, ...;
- ``saiaprtc12ok/benchmark/saiapr_tc-12/NN/labels.txt``: lines ``ID REGION LABEL``, numbers.

The text is the description; titles name places rather than what can be seen. The labels are the numbers of the
regions' labels, written out in full (``12``): the archive's list of their names could not be checked. Relevance: a
shared label. The split: 2,000 queries, the rest is the database, 5,000 of it train (UCCH; torchcmh trains on 10,000).
The papers count 20,000 pairs and 255 labels; a public reader of the two archives finds 19,999 pairs.
Licence: free of charge and without copyright restrictions (imageclef.org/photodata).
Checked against: imageclef.org/photodata, and readers of both archives in public repositories (not the archives).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from milvus_hash.record import Record
from milvus_hash_export.datasets.files import is_there, leave_out, need, read_lines, read_text
from milvus_hash_export.datasets.splits import draw

SOURCE = "unpack iaprtc12.tgz into --root, and saiaprtc12ok.zip into its folder saiaprtc12ok"

_FIELD = re.compile(r"<(DESCRIPTION|IMAGE|LOCATION)>(.*?)</\1>", re.DOTALL)  # a parser would stumble over a bare &


def iapr_tc12(root: Path, *, query: int = 2000, train: int = 5000) -> Iterator[Record]:
    """The rows of IAPR TC-12, ordered by folder and file name.

    Args:
        root: The folder that holds ``iaprtc12`` and ``saiaprtc12ok``.
        query: Number of queries.
        train: Number of training pictures.

    Raises:
        InputError: When the first row is asked for: a file or folder is missing, or there are fewer pictures.
    """
    pictures = need(root / "iaprtc12" / "images", SOURCE).parent
    annotations = need(pictures / "annotations_complete_eng", SOURCE)
    labels = _read_labels(root / "saiaprtc12ok" / "benchmark" / "saiapr_tc-12")
    rows = {}
    for path in sorted(annotations.glob("*/*.eng")):
        fields = dict(_FIELD.findall(read_text(path, SOURCE, encoding="iso-8859-1")))
        description = " ".join(fields.get("DESCRIPTION", "").split()).rstrip(";")
        picture = pictures / fields.get("IMAGE", "").strip()
        if not description or path.stem not in labels:
            leave_out(str(path), "it has no description" if not description else "no region of it is labelled")
        elif is_there(picture):
            rows[path.stem] = (picture, description, fields.get("LOCATION", "").strip())
    splits = draw(rows, query=query, train=train)
    for identifier, (picture, description, location) in rows.items():
        yield Record(
            id=identifier,
            image=str(picture),
            texts=(description,),
            labels=tuple(labels[identifier]),
            splits=splits[identifier],
            metadata={"location": location},
        )


def _read_labels(folder: Path) -> dict[str, dict[str, None]]:
    """Id of a picture to the numbers of its labels, in the order of its regions."""
    labels: dict[str, dict[str, None]] = {}
    for path in sorted(need(folder, SOURCE).glob("*/labels.txt")):
        for number, line in enumerate(read_lines(path, SOURCE), start=1):
            cells = line.split()
            if len(cells) == 3 and all(cell.isdecimal() for cell in cells):
                labels.setdefault(cells[0], {})[cells[2]] = None
            elif cells:
                leave_out(f"{path}, line {number}", "it is not three numbers")
    return labels
