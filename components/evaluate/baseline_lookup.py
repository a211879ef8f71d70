"""The baseline of a candidate where there is no resolver (Kubeflow): found among the pushed versions."""

# No `from __future__ import annotations`: TFX's decorator reads the annotations themselves.
import hashlib
import re
from pathlib import Path

from tfx import v1 as tfx
from tfx.types import standard_artifacts

from modelmill.components import artifacts, integrity
from modelmill.data.core import files, progress

NODE = "baseline"
SAVED_MODEL = "saved_model.pb"
WEIGHTS = "variables/variables.data-"


@tfx.dsl.components.component
def BaselineLookup(
    candidate: tfx.dsl.components.InputArtifact[standard_artifacts.Model],
    model: tfx.dsl.components.OutputArtifact[standard_artifacts.Model],
    destination: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
) -> None:
    """Gives the float model of the latest version in `destination` that is not the candidate itself, nor newer.

    What was pushed was blessed. The outcome is that of baseline.OlderBlessedModel, but for models that were blessed
    and then not pushed. `code` is the digest of the source that runs.
    """
    version = find(destination, Path(artifacts.serving(candidate.uri)))
    model.set_int_custom_property(artifacts.FOUND, int(version is not None))
    if version is None:
        progress.note(f"no baseline: there is no older version in {destination}")
        return
    copy(version, Path(artifacts.serving(model.uri)))
    progress.note(f"the baseline is {version}")


def find(destination: str, candidate: Path) -> str | None:
    """The folder of the latest complete version that has other weights than the candidate's SavedModel.

    If the candidate was pushed before (it is taken from the cache, or was made again), only versions before its
    own count: else two equal runs would have different baselines.
    """
    weights = {
        path.relative_to(candidate).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in candidate.glob(f"{WEIGHTS}*")
    }
    found: list[str] = []
    for version in _versions(destination):
        listed = _files(version)
        if listed is None:
            continue
        if {name: digest for name, digest in listed.items() if name.startswith(WEIGHTS)} == weights:
            break
        found.append(version)
    for version in reversed(found):
        damaged = integrity.damages(version, _served(_files(version) or {}))
        if not damaged:
            return version
        progress.note(f"warning: {version} is no baseline, it is damaged: {integrity.summary(damaged)}")
    return None


def copy(version: str, serving: Path) -> None:
    """Copies the SavedModel out of a version: what the manifest lists, without what only clients need."""
    for name in _served(_files(version) or {}):
        files.write(str(serving / name), files.read(f"{version}/{name}"))


def _versions(destination: str) -> list[str]:
    """Oldest first; names that are no number are not versions."""
    numbers = [int(name) for name in files.names(destination) if re.fullmatch("[1-9][0-9]*", name)]
    return [f"{destination}/{number}" for number in sorted(numbers)]


def _served(digests: dict[str, str]) -> dict[str, str]:
    """The files of the SavedModel."""
    parts = (SAVED_MODEL, "fingerprint.pb", "keras_metadata.pb", "variables", "assets")
    return {name: digest for name, digest in digests.items() if name.split("/")[0] in parts}


def _files(version: str) -> dict[str, str] | None:
    """Digest by name, as the manifest says; None if something is missing, or the manifest is damaged."""
    manifest = f"{version}/{artifacts.MANIFEST}"
    if not files.is_file(manifest):
        return None
    try:
        digests = integrity.parse(files.read(manifest), version)
    except integrity.DamagedError as error:
        progress.note(f"warning: {version} is no baseline: {error}")
        return None
    complete = SAVED_MODEL in digests and all(files.is_file(f"{version}/{name}") for name in digests)
    return digests if complete else None
