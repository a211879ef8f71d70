"""The assignment of examples to splits by shares. Free of TensorFlow.

What belongs together, equal contents or a group, goes where the hash of its name says: so an example stays in its split
whatever else comes to the data. Of few, as of a rare class or of eight groups, hashing can leave a split without any;
then these are dealt out by their shares instead.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from modelmill.data.splits import SPLITS, SplitConfig

# Of more units hashing is left to itself: it hardly leaves a split without any.
FEW = 200


class Unit(NamedTuple):
    """Examples that go into one split as a whole.

    Attributes:
      stratum: the class whose examples each split should have some of; "" for all together.
      name: the digest of the content, or the group.
    """

    stratum: str
    name: str


def unit(label: str | float, content: str, group: str | None, classes: bool) -> Unit:
    """Return the unit of an example; `classes`: whether labels are classes."""
    if group:
        return Unit("", group)
    return Unit(str(label) if classes else "", content)


def hashed(name: str, split: SplitConfig) -> str:
    """Return the split of a unit by the hash that TFX takes of a feature, so that it is the same wherever it runs."""
    ends = list(itertools.accumulate(split.shares().values()))
    value = _field(_field(name.encode()))  # a tf.train.Feature of one bytes value, serialized
    return SPLITS[bisect.bisect(ends, int(hashlib.sha256(value).hexdigest(), 16) % ends[-1])]


def dealt(sizes: Mapping[str, int], split: SplitConfig) -> dict[str, str]:
    """Return the split of each of few units, if hashing would leave a split empty; else nothing.

    Args:
      sizes: how many examples each unit has, by its name.
      split: the shares.
    """
    if len(sizes) < len(SPLITS) or len(sizes) > FEW or len({hashed(name, split) for name in sizes}) == len(SPLITS):
        return {}
    shares = split.shares()
    lacking = {name: share * sum(sizes.values()) / sum(shares.values()) for name, share in shares.items()}
    given: dict[str, list[str]] = {name: [] for name in SPLITS}
    # The largest first, so that the small ones can even things out; the hash has no order that could mean something.
    for name in sorted(sizes, key=lambda one: (-sizes[one], hashlib.sha256(one.encode()).digest())):
        into = max(SPLITS, key=lambda one: lacking[one])
        given[into].append(name)
        lacking[into] -= sizes[name]
    for empty in [name for name in SPLITS if not given[name]]:
        given[empty].append(max(given.values(), key=len).pop())
    return {name: into for into, names in given.items() for name in names}


def placed(unit: Unit, given: str | None, dealt: Mapping[str, str], split: SplitConfig) -> str:
    """Return the split of an example: the one that is given, else where its unit was dealt to or is hashed to."""
    return given or dealt.get(unit.name) or hashed(unit.name, split)


class Placement:
    """The splits of all examples, as ingest makes them, for those that hold them in memory."""

    def __init__(self, examples: Iterable[tuple[Unit, str | None]], split: SplitConfig) -> None:
        """Deal out what is few.

        Args:
          examples: of each its unit, and its split where that is given.
          split: the shares.
        """
        self._split = split
        strata: dict[str, set[str]] = defaultdict(set)
        sizes: Counter[str] = Counter()
        for unit, given in examples:
            if given is None:
                strata[unit.name].add(unit.stratum)
                sizes[unit.name] += 1
        few: dict[str, dict[str, int]] = defaultdict(dict)
        for name, size in sizes.items():
            # Equal contents of two classes are one unit, which stays where its hash says.
            if len(strata[name]) == 1:
                few[next(iter(strata[name]))][name] = size
        self._dealt = {name: into for names in few.values() for name, into in dealt(names, split).items()}

    def of(self, unit: Unit, given: str | None) -> str:
        """Return the split of an example."""
        return placed(unit, given, self._dealt, self._split)


def _field(value: bytes) -> bytes:
    """Bytes as field 1 of a protocol buffer."""
    size, head = len(value), b"\x0a"
    while size > 127:
        head, size = head + bytes([size & 127 | 128]), size >> 7
    return head + bytes([size]) + value
