"""Stored rows from all over a collection, to ask with."""

from __future__ import annotations

import random
from math import isqrt

from milvus_hash.query.filters import both
from milvus_hash.query.quoting import quoted
from milvus_hash.query.stored import as_bytes
from milvus_hash.store.call import Call, Steps
from milvus_hash.store.target import CODE, Key, Target

_PAGE = 64  # neighbours by primary key in one read
_KEPT = 8  # of them: neighbours are often alike
_PATIENCE = 30  # reads in a row that give nothing new
_DRAWS = 20  # texts that are drawn for one length of their beginning


def sample(target: Target, where: str, count: int, seed: int = 0) -> Steps[dict[Key, bytes]]:
    """About ``count`` codes ``bits // 8`` bytes by primary key, of rows that meet ``where``; fewer if there are fewer.

    Milvus has no random sample before 2.6. Integer keys are taken by their remainder of a prime, since they may be
    multiples of another number. Text keys are read after random texts of the characters that stand in the keys seen so
    far: even for numbers and hashes, and for paths spread over the folders rather than over the rows.
    """
    first = yield from _page(target, where, 1)
    if first and isinstance(key := next(iter(first)), int):
        return (yield from _by_remainder(target, where, count, key))
    rng = random.Random(seed)
    found: dict[Key, bytes] = dict(first)
    beyond = ""  # a text with no key after it
    idle = 0
    while found and len(found) < count and idle < _PATIENCE:
        start = _random_text([str(key) for key in found], beyond, rng)
        page = yield from _page(target, both(f"{target.pk} >= {quoted(start, lite=target.lite)}", where), _PAGE)
        if not page:
            beyond = start
        fresh = [key for key in page if key not in found]
        idle = 0 if fresh else idle + 1
        for key in rng.sample(fresh, min(len(fresh), _KEPT, count - len(found))):
            found[key] = page[key]
    return found


def _random_text(keys: list[str], beyond: str, rng: random.Random) -> str:
    """A text between the least of the keys and ``beyond``: the shorter the part that it shares with a key, the better.

    Of random texts few lie between keys that are alike, so that longer beginnings of a key are tried one by one.
    """
    least = min(keys)
    key = rng.choice(keys).split("#")[0]
    letters = sorted({letter for some in keys[:256] for letter in some.split("#")[0]})
    for kept in range(rng.choice((0, rng.randrange(len(key) + 1))), len(key)):
        for _ in range(_DRAWS):
            text = key[:kept] + "".join(rng.choices(letters, k=len(key) - kept))
            if least <= text and (not beyond or text < beyond):
                return text
    return key


def _by_remainder(target: Target, where: str, count: int, some: int) -> Steps[dict[Key, bytes]]:
    """Rows with the remainder that the key ``some`` has, so that there are any."""
    arguments = {"collection_name": target.name, "filter": where, "output_fields": ["count(*)"]}
    answer = yield Call(f"counting {target.name!r}", "query", arguments)
    divisor = _prime_up_to(int(answer[0]["count(*)"]) // count)
    rest = some % divisor  # Milvus gives a negative key a negative one, as C++ does
    same = f"{target.pk} % {divisor} == "
    condition = f"({same}{rest} or {same}{rest - divisor})" if divisor > 1 else ""
    return (yield from _page(target, both(condition, where), count))


def _prime_up_to(number: int) -> int:
    """The largest prime that is not above ``number``; 1 where there is none."""
    return next((n for n in range(number, 1, -1) if all(n % d for d in range(2, isqrt(n) + 1))), 1)


def _page(target: Target, condition: str, limit: int) -> Steps[dict[Key, bytes]]:
    arguments = {
        "collection_name": target.name,
        "filter": condition,
        "limit": limit,
        "output_fields": [target.pk, CODE],
    }
    answer = yield Call(f"sampling {target.name!r}", "query", arguments)
    return {row[target.pk]: as_bytes(row[CODE]) for row in answer}
