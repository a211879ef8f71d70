"""The work of the node `check`: make what is to be pushed, and try it where nothing of ours is at hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils

from modelmill.components import artifacts, gates
from modelmill.components.gates import Gate
from modelmill.components.load_check import bundle, cases
from modelmill.components.load_check.config import CardConfig
from modelmill.components.load_check.verify import GATE, Limits, verify
from modelmill.data import modality
from modelmill.data.core import progress

SPLIT = "test"
# TFX's InfraValidator's own names; its module can't be imported without clients for Docker and Kubernetes.
BLESSED, BLESSED_FILE, NOT_BLESSED_FILE = "blessed", "INFRA_BLESSED", "INFRA_NOT_BLESSED"


class Executor(base_executor.BaseExecutor):
    """Assembles the bundle, and blesses it if strangers get the recorded answers from it."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Inputs, outputs and parameters are those of component.LoadCheck."""
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        made = artifact_utils.get_single_instance(output_dict["bundle"])
        inputs = {key: artifact_utils.get_single_instance(found) for key, found in input_dict.items()}
        rows = _check(inputs, Path(made.uri), exec_properties)
        blessed = all(row.passed for row in rows)
        gates.write(Path(blessing.uri) / artifacts.GATES_FILE, rows)
        (Path(blessing.uri) / (BLESSED_FILE if blessed else NOT_BLESSED_FILE)).touch()
        blessing.set_int_custom_property(BLESSED, int(blessed))
        manifest = Path(made.uri, artifacts.MANIFEST)
        if manifest.is_file():
            digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
            made.set_string_custom_property(artifacts.MANIFEST_DIGEST, digest)
        progress.note(_summary(rows))


def _check(inputs: dict[str, Artifact], folder: Path, properties: dict[str, Any]) -> list[Gate]:
    """Rows of every condition; the bundle is in `folder` then, or as much of it as there is."""
    name = json.loads(properties["data"])["modality"]
    kind = modality.look_up(name)
    data = kind.Config.model_validate_json(properties["data"])
    try:
        bundle.assemble(
            folder,
            inputs["model"].uri,
            inputs["compressed"].uri,
            inputs["evaluation"].uri,
            data,
            properties["experiment"],
            CardConfig.model_validate_json(properties["card"]),
        )
    except bundle.IncompleteError as error:
        return [Gate(gate=GATE, metric="bundle", passed=False, reason=str(error))]
    chosen = cases.choose(inputs["predictions"].uri, properties["files"])
    found = cases.find(artifact_utils.get_split_uri([inputs["examples"]], SPLIT), chosen, kind.INPUT)
    complete = Gate(
        gate=GATE, metric="files", value=len(found), bound=max(1, len(chosen)), passed=0 < len(found) == len(chosen)
    )
    if not complete.passed:
        complete.reason = f"of {len(chosen)} recorded examples {len(found)} are in the split '{SPLIT}'"
        return [complete]
    limits = Limits(properties["tolerance"], properties["saved_model_tolerance"], properties["agreement"])
    return [complete, *verify(folder, found, name, limits, data.task)]


def _summary(rows: list[Gate]) -> str:
    """One line for a person."""
    wrong = [row for row in rows if not row.passed]
    if wrong:
        reasons = "; ".join(f"{row.metric} ({row.slice}): {row.reason}" for row in wrong[:2])
        return f"what is to be pushed does not answer as recorded: {reasons}"
    values = {row.metric: row.value or 0.0 for row in rows}
    agreement = f", same label in {values['agreement']:.0%}" if "agreement" in values else ""
    return (
        f"{values['files']:.0f} raw files in a clean process: flatbuffer off by {values['flatbuffer_error']:.2g}, "
        f"SavedModel by {values['saved_model_error']:.2g}{agreement}"
    )
