"""How far two distributions are from each other, feature by feature, as TFDV measures it."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList as Statistics

_PEAK = "with maximum difference is: "  # how TFDV's description of an L-infinity anomaly ends


@dataclass(frozen=True)
class Distance:
    """Of one feature; `peak` is the value whose share changed most, if TFDV tells."""

    feature: str
    value: float
    peak: str = ""


def distances(before: Statistics, after: Statistics, features: list[str]) -> list[Distance]:
    """The distance of each feature that both have, sorted by name.

    Strings: L-infinity norm of the shares of values. Numbers: Jensen-Shannon divergence, approximated from histograms.
    """
    kinds = _kinds(before)
    schema = schema_pb2.Schema()
    shared = sorted(name for name in features if name in kinds and _kinds(after).get(name) == kinds[name])
    for name in shared:
        feature = schema.feature.add(name=name)
        comparator = feature.drift_comparator
        if kinds[name] == statistics_pb2.FeatureNameStatistics.STRING:
            feature.type = schema_pb2.BYTES
            comparator.infinity_norm.threshold = 0
        else:
            is_int = kinds[name] == statistics_pb2.FeatureNameStatistics.INT
            feature.type = schema_pb2.INT if is_int else schema_pb2.FLOAT
            comparator.jensen_shannon_divergence.threshold = 0
    # Thresholds of 0, because TFDV then tells what it measured of every feature; the gate does the judging.
    found = tfdv.validate_statistics(after, schema, previous_statistics=before)
    measured = []
    for info in found.drift_skew_info:
        name = ".".join(info.path.step)
        reasons = found.anomaly_info[name].reason if name in found.anomaly_info else []
        told = "".join(reason.description.partition(_PEAK)[2] for reason in reasons)
        measured += [Distance(name, one.value, told.rstrip(".")) for one in info.drift_measurements]
    return sorted(measured, key=lambda one: one.feature)


def kind_of(statistics: Statistics, name: str) -> str | None:
    """'string', 'int' or 'float'; None if there is no such feature."""
    kind = _kinds(statistics).get(name)
    return None if kind is None else statistics_pb2.FeatureNameStatistics.Type.Name(kind).lower()


def names(statistics: Statistics) -> list[str]:
    """The features that were described."""
    return sorted(_kinds(statistics))


def _kinds(statistics: Statistics) -> dict[str, int]:
    return {".".join(one.path.step): one.type for one in statistics.datasets[0].features}
