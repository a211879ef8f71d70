"""The last run's statistics where there is no resolver (Kubeflow): kept beside the pushed versions.

DESTINATION/.statistics/NUMBER/Split-NAME/FeatureStats.pb, and last DESTINATION/.statistics/NUMBER/digest.json
"""

# No `from __future__ import annotations`: TFX's decorator reads the annotations themselves.
import hashlib
import json
from pathlib import Path

from tfx import v1 as tfx
from tfx.types import standard_artifacts
from tfx.types.artifact_utils import decode_split_names, encode_split_names

from modelmill.components import artifacts
from modelmill.data.core import files, progress

NODE = "last-statistics"
FOLDER = ".statistics"
DIGEST = "digest.json"
FILE = "FeatureStats.pb"


@tfx.dsl.components.component
def StatisticsLookup(
    candidate: tfx.dsl.components.InputArtifact[standard_artifacts.ExampleStatistics],
    statistics: tfx.dsl.components.OutputArtifact[standard_artifacts.ExampleStatistics],
    destination: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
) -> None:
    """Gives the statistics of the last data that passed the gate and is not the candidate's, nor newer.

    The outcome is that of history.OlderStatistics. `code` is the digest of the source that runs.
    """
    last = find(destination, splits(candidate.uri, decode_split_names(candidate.split_names)))
    statistics.set_int_custom_property(artifacts.FOUND, int(last is not None))
    statistics.split_names = encode_split_names(sorted(last or {}))
    if last is None:
        progress.note(f"no drift is measured: {destination} has no statistics of earlier data")
        return
    for split, content in last.items():
        files.write(str(Path(statistics.uri, f"Split-{split}", FILE)), content)


def splits(uri: str, names: list[str]) -> dict[str, bytes]:
    """The statistics of each split."""
    return {split: files.read(f"{uri}/Split-{split}/{FILE}") for split in names}


def find(destination: str, candidate: dict[str, bytes]) -> dict[str, bytes] | None:
    """The last ones that were recorded before the candidate's, were it recorded; see evaluate.lookup.find."""
    last = None
    for folder, digests in _recorded(destination):
        if digests == _digests(candidate):
            break
        last = (folder, digests)
    return splits(last[0], sorted(last[1])) if last else None


def record(destination: str, passed: dict[str, bytes]) -> None:
    """Keeps the statistics of data that has passed the gate, unless they are there already."""
    recorded = _recorded(destination)
    if any(digests == _digests(passed) for _, digests in recorded):
        return
    number = max((int(name) for name in files.names(f"{destination}/{FOLDER}") if name.isdecimal()), default=0) + 1
    folder = f"{destination}/{FOLDER}/{number}"
    for split, content in passed.items():
        files.write(f"{folder}/Split-{split}/{FILE}", content)
    files.write(f"{folder}/{DIGEST}", json.dumps(_digests(passed), indent=1).encode())


def _recorded(destination: str) -> list[tuple[str, dict[str, str]]]:
    """Folder and digests of each that is complete, oldest first."""
    numbers = sorted(int(name) for name in files.names(f"{destination}/{FOLDER}") if name.isdecimal())
    found = []
    for folder in (f"{destination}/{FOLDER}/{number}" for number in numbers):
        if files.is_file(f"{folder}/{DIGEST}"):
            found.append((folder, json.loads(files.read(f"{folder}/{DIGEST}"))))
    return found


def _digests(found: dict[str, bytes]) -> dict[str, str]:
    return {split: hashlib.sha256(content).hexdigest() for split, content in found.items()}
