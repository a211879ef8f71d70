"""Splits by shares: equal contents stay together, the hash is TFX's, and few units leave no split empty."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from modelmill.data.split_assignment import FEW, Placement, Unit, dealt, hashed, unit
from modelmill.data.splits import SPLITS, SplitConfig

SHARES = SplitConfig()


@pytest.mark.parametrize("name", ["", "a", "Zoë", "x" * 125, "x" * 126, "x" * 300, "x" * 20_000])
def test_the_hash_is_that_of_a_feature(name: str) -> None:
    import tensorflow as tf

    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[name.encode()]))
    number = int(hashlib.sha256(feature.SerializeToString(deterministic=True)).hexdigest(), 16) % 20
    assert hashed(name, SHARES) == ("train" if number < 14 else "eval" if number < 17 else "test")


def test_many_units_go_by_their_hash_alone() -> None:
    names = {str(number): 1 for number in range(FEW)}
    assert dealt(names, SHARES) == {}
    shares = Counter(hashed(name, SHARES) for name in names)
    assert shares["train"] == pytest.approx(0.7 * FEW, rel=0.15) and len(shares) == 3


@pytest.mark.parametrize("count", range(3, 30))
def test_of_few_units_no_split_stays_empty(count: int) -> None:
    """Hashing is kept for all names that it serves well."""
    for kind in "abcdefgh":
        units = {f"{kind}{number}": 1 for number in range(count)}
        found = dealt(units, SHARES) or {name: hashed(name, SHARES) for name in units}
        assert set(found.values()) == set(SPLITS) and found.keys() == units.keys()
        assert dealt(dict(reversed(units.items())), SHARES) == dealt(units, SHARES), "the order means nothing"


def test_eight_groups_are_dealt_out_by_their_sizes() -> None:
    sizes = next(
        sizes for kind in "abcdefgh" if dealt(sizes := {f"{kind}{number}": 10 + number for number in range(8)}, SHARES)
    )
    into = Counter()
    for name, split in dealt(sizes, SHARES).items():
        into[split] += sizes[name]
    assert 0.55 < into["train"] / sum(sizes.values()) < 0.85 and min(into.values()) >= 10


def test_two_units_are_left_where_they_are() -> None:
    assert dealt({"a": 5, "b": 5}, SHARES) == {}


def test_a_placement_keeps_together_what_belongs_together() -> None:
    examples = [(unit("rare", f"r{number}", None, True), None) for number in range(4)]
    examples += [(unit("often", f"o{number}", None, True), None) for number in range(500)]
    examples += [(unit("often", "r0", None, True), None), (unit("often", "given", None, True), "eval")]
    place = Placement(examples, SHARES)
    assert place.of(Unit("rare", "r0"), None) == place.of(Unit("often", "r0"), None) == hashed("r0", SHARES)
    assert {place.of(one, None) for one, _ in examples[1:4]} == set(SPLITS)
    assert all(place.of(one, None) == hashed(one.name, SHARES) for one, _ in examples[4:504])
    assert place.of(*examples[-1]) == "eval"


def test_groups_are_units_whatever_their_labels() -> None:
    assert unit("a", "content", "ann", True) == unit("b", "other", "ann", True) == Unit("", "ann")
    assert unit(1.5, "content", None, False) == Unit("", "content")
