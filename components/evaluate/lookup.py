"""The baseline of a candidate where there is no resolver (Kubeflow): found among the pushed versions."""

# No `from __future__ import annotations`: TFX's decorator reads the annotations themselves.
import hashlib
import json
import re
import shutil
from pathlib import Path

from tfx import v1 as tfx
from tfx.types import standard_artifacts

from components import artifacts, progress

NODE = "baseline"
# Custom property of the output: 0 says that there is no baseline. A task of Kubeflow always has its outputs.
FOUND = "found"
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
    version = find(Path(destination), Path(artifacts.serving(candidate.uri)))
    model.set_int_custom_property(FOUND, int(version is not None))
    if version is None:
        progress.note(f"no baseline: there is no older version in {destination}")
        return
    copy(version, Path(artifacts.serving(model.uri)))
    progress.note(f"the baseline is version {version.name} in {destination}")


def find(destination: Path, candidate: Path) -> Path | None:
    """The folder of the latest complete version that has other weights than the candidate's SavedModel.

    If the candidate was pushed before (it is taken from the cache, or was made again), only versions before its
    own count: else two equal runs would have different baselines.
    """
    weights = {
        path.relative_to(candidate).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in candidate.glob(f"{WEIGHTS}*")
    }
    found: list[Path] = []
    for version in _versions(destination):
        files = _files(version)
        if files is None:
            continue
        if {name: digest for name, digest in files.items() if name.startswith(WEIGHTS)} == weights:
            break
        found.append(version)
    return found[-1] if found else None


def copy(version: Path, serving: Path) -> None:
    """Copies the SavedModel out of a version: what the manifest lists, without what only clients need."""
    for name in _files(version) or {}:
        if name.split("/")[0] in (SAVED_MODEL, "fingerprint.pb", "keras_metadata.pb", "variables", "assets"):
            (serving / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(version / name, serving / name)


def _versions(destination: Path) -> list[Path]:
    """Oldest first; names that are no number are not versions."""
    numbered = [path for path in destination.glob("*") if re.fullmatch("[1-9][0-9]*", path.name)]
    return sorted(numbered, key=lambda path: int(path.name))


def _files(version: Path) -> dict[str, str] | None:
    """Digest by name, as the manifest says; None if something is missing."""
    manifest = version / artifacts.MANIFEST
    if not manifest.is_file():
        return None
    files = {name: file["sha256"] for name, file in json.loads(manifest.read_text(encoding="utf-8"))["files"].items()}
    complete = SAVED_MODEL in files and all((version / name).is_file() for name in files)
    return files if complete else None
