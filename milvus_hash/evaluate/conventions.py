"""What every figure of a report means, in the words that are printed below the tables."""

from __future__ import annotations

from collections.abc import Mapping

CONVENTIONS: Mapping[str, str] = {
    "map": "mean over the queries of the expected average precision over the whole database under random order of "
    "tied distances (McSherry and Najork 2008); denominator: all relevant items; relevant: shares a label",
    "precision": "expected share of relevant items among the first k under random order of ties, divided by k",
    "recall": "true recall: expected share of all relevant items that is among the first k, ties in random order",
    "hit": "any-hit recall (R@K of image-text papers): probability of a relevant item among the first k, "
    "ties in random order",
    "interval": "95 % bootstrap interval of the mean, 1,000 resamples of the query items with a fixed seed; it says "
    "what other queries would change, not another training run",
    "queries_without_relevant": "queries that have no relevant item in the database; left out of every mean",
    "radius_precision": "relevant pairs / pairs within Hamming radius 0, 1, ... bits, pooled over the queries",
    "radius_recall": "relevant pairs within the radius / all relevant pairs, pooled over the queries",
    "pairs": "one to one: each picture, clip or text of the query split against those of that split alone, each taken "
    "once, however many rows repeat it; relevant: what stands in a row with it, and among texts the others of the same "
    "picture or clip; any-hit, ties in random order",
    "ones": "share of the database codes (without any, of the query codes) that have the bit set",
    "entropy": "mean over the bits of the binary entropy of that share, in bits; 1 is balanced",
    "correlation": "mean absolute Pearson correlation over all pairs of bits that are not constant",
    "duplicates": "1 - distinct codes / codes",
    "overlap": "items in both splits; they stay in the database of their own query",
}
"""Of the report of one bundle; the same keys as in the report."""

FLOAT_CONVENTIONS: Mapping[str, str] = {
    "rescored": "the whole database ordered by the asymmetric score: the query's logits times the stored bits as -1/+1",
    "logits": "cosine of the logits at full length: the same network without its signs",
    "embedding": "cosine of the learned float vectors, where both modalities have the same number of them; they need "
    "not share a space",
    "of_float": "the figure divided by that of the better one of logits and embedding, for the same method and task",
}
"""Of rankings that need more than stored bits on both sides."""

BASELINE_CONVENTIONS: Mapping[str, str] = {
    "fitted": "baselines are fitted to the frozen features of the train split, as the first bundle's graphs give them: "
    "every picture or clip paired with each of its texts, at most 20,000 pairs; labels are not used",
    "cca float": "cosine of the regularised CCA components, each times the square of its correlation",
    "cca": "signs of the first CCA components; lengths above their number are left out",
    "cca-itq": "the first CCA components of both modalities, weighted as in 'cca float', rotated by one iterative "
    "quantisation and signed; lengths above their number are left out",
    "hyperplanes": "signs of random projections of the weighted CCA components (one draw, fixed seed)",
    "sign": "signs of the bundle's own float vectors, centred on the database of each modality; the first numbers of "
    "them are taken; own vectors: logits or embedding, whichever ranks better here",
    "own hyperplanes": "signs of random projections of the same own vectors (one draw, fixed seed)",
}
"""Of what learned codes are compared with at equal bits."""
