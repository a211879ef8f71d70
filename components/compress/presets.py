"""Named recipes of compression, one a goal or target; `compress.preset` fills in what the experiment leaves out."""

from __future__ import annotations

from typing import Any

_PRUNED = {"prune": {"sparsity": 0.8, "epochs": 12, "learning_rate": 0.002, "teacher": 0.7}}
_CLUSTERED = {"cluster": {"clusters": 16, "epochs": 6, "teacher": 0.7}}
_PCQAT = {"pcqat": {"epochs": 6, "teacher": 0.7}}
_HALVED = {"structured": {"amount": 0.5, "multiple": 4, "epochs": 16, "learning_rate": 0.002}}
_QUARTER = {"structured": {"amount": 0.25, "multiple": 4, "epochs": 12, "learning_rate": 0.002}}
_STUDENT = {"distill": {"width": 0.5, "epochs": 48}}
_SPARING = {"int8": {"fallback": {"tolerance": 0.05}}}

PRESETS: dict[str, dict[str, Any]] = {
    # The fewest bytes to download or to keep, whatever the time of an answer.
    "smallest": {
        "prefer": "gzip_bytes",
        "chains": [
            [_PRUNED, _CLUSTERED, _PCQAT],
            [_QUARTER, _PRUNED, _CLUSTERED, _PCQAT],
            [_STUDENT, _PRUNED, _CLUSTERED, _PCQAT],
            ["int4"],
            ["dynamic_range"],
        ],
    },
    # The shortest time of an answer on this machine: fewer multiplications.
    "fastest": {
        "prefer": "latency_ms",
        "chains": [[_HALVED], [_QUARTER], [_HALVED, "dynamic_range"], [_STUDENT], ["dynamic_range"]],
    },
    # Smaller without a change that could be noticed; little is fine-tuned.
    "safest": {
        "prefer": "metric",
        "max_drop": 0.005,
        "chains": [["float16"], ["dynamic_range"], [_SPARING], [{"qat": {"epochs": 6}}]],
    },
    # Integers only, builtin operators, raw bytes (flash is not packed); arena_bytes tells the memory.
    "microcontroller": {
        "prefer": "bytes",
        "chains": [
            [{"int8": {"io": "integer"}}],
            [_QUARTER, {"int8": {"io": "integer"}}],
            [_HALVED, {"int8": {"io": "integer"}}],
            [_STUDENT, {"int8": {"io": "integer"}}],
        ],
    },
    # A small download that runs on any phone's processor.
    "phone": {
        "prefer": "gzip_bytes",
        "chains": [
            ["dynamic_range"],
            [_SPARING],
            [{"qat": {"epochs": 8}}],
            [_PRUNED, {"pqat": {"epochs": 8}}],
            [_QUARTER, {"qat": {"epochs": 8}}],
        ],
    },
    # Fast on a server's processor, where int8 throughout seldom is.
    "server-cpu": {
        "prefer": "latency_ms",
        "chains": [
            [_QUARTER, "dynamic_range"],
            [_HALVED, "dynamic_range"],
            [{"low_rank": {"energy": 0.9, "epochs": 12}}, "dynamic_range"],
            ["dynamic_range"],
            ["float16"],
        ],
    },
}
