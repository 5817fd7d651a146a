"""The roles of files and arrays, by the names that publishers give them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

WORDS = {
    "test": r"(?<![a-z])test|quer(y|ies)",
    "train": r"(?<![a-z])(train|corpus)|base",
}
"""The words of a part in names; those of the queries count first, as in bert-base_test.npy."""
LEARN = r"(?<![a-z])learn"
NEIGHBOURS = r"ground_?truth|neighbou?rs|(?<![a-z])(gt|gnd|knn)(?![a-z])"
DISTANCES = r"dist(ances?)?(?![a-z])"


def role(name: str) -> str | None:
    """The role that a name tells (see `datasets.vector_set.Layout`); None if it tells none.

    ``sift_base.fvecs``, ``base.1B.u8bin``, ``FB_ssnpp_database.u8bin`` and ``train.npy`` are all of the database.
    """
    low = name.lower()
    if re.search(DISTANCES, low):
        return None
    of_learn, of_neighbours = (re.search(words, low) is not None for words in (LEARN, NEIGHBOURS))
    part = next((part for part, words in WORDS.items() if re.search(words, low)), None)
    if "label" in low:
        return None if of_learn or part is None else f"{part}_labels"
    if of_learn:
        return None if of_neighbours else "learn"
    if of_neighbours:
        return "neighbors"
    return part


def by_role(where: str, names: Iterable[str], given: Mapping[str, str | None]) -> dict[str, str]:
    """The name of each role, by the names themselves or as ``given`` by role; train.npy comes before another of train.

    Raises ValueError: two names have one role, a given name is not there, or one split alone has labels.
    """
    known, found = sorted(names), defaultdict[str, list[str]](list)
    for name in known:
        told = role(name)
        if told is not None and given.get(told) is None:
            found[told].append(name)
    for part, chosen in given.items():
        if chosen is not None and chosen not in known:
            raise ValueError(f"{where}: {part} = {chosen!r} must be one of {', '.join(known)}")
        found |= {} if chosen is None else {part: [chosen]}
    for part, several in found.items():
        exact = [name for name in several if name.partition(".")[0] == part]
        found[part] = exact if len(exact) == 1 else several
        if len(found[part]) > 1:
            right = f"{part} = NAME says which" if part in given else "must be one"
            raise ValueError(f"{where}: {part} may be {' or '.join(several)}; {right}, or name = its first letters")
    labels = [part for part in ("train_labels", "test_labels") if part not in found]
    if len(labels) == 1:
        raise ValueError(f"{where}: no {labels[0]} beside the others; both splits have labels, or none")
    return {part: several[0] for part, several in found.items()}


def check_parts(where: str, found: Iterable[str], names: Iterable[str]) -> None:
    """Raises ValueError: none of the ``names`` is ``found`` to be that of the database, or of the queries."""
    for part, words in (("train", "train, base or database"), ("test", "test or query")):
        if part not in found:
            there = ", ".join(sorted(names))
            raise ValueError(f"{where}: no {part}: must be called {words}, or be told by {part} = NAME; there: {there}")
