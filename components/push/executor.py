"""The work of the node `push`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tfx.components.pusher import executor
from tfx.components.util import model_utils
from tfx.types import Artifact, artifact_utils

from components import artifacts, progress
from components.push import objects, versions
from data import files

# Each must be there, and positive.
BLESSINGS = {
    "model_blessing": "of the float model",
    "compressed_blessing": "of the compressed model",
    "infra_blessing": "of the load check",
}


class Executor(executor.Executor):
    """TFX's Pusher, but all blessings are required, and a version appears whole or not at all.

    The custom properties of the PushedModel are TFX's: pushed, pushed_destination, pushed_version. As with TFX's the
    artifact itself holds a copy of what was pushed.
    """

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Inputs, outputs and parameters are those of component.Pusher. Raises ValueError if a blessing is missing."""
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        refused = _negative(input_dict)
        if refused:
            self._MarkNotPushed(pushed)
            progress.note(f"not pushed: the blessing {' and that '.join(refused)} was refused")
            return
        bundle = Path(artifact_utils.get_single_instance(input_dict["bundle"]).uri)
        if not (bundle / artifacts.MANIFEST).is_file():
            raise ValueError(f"blessed, but incomplete: there is no {artifacts.MANIFEST} in {bundle}")
        destination = exec_properties["destination"].rstrip("/")
        if files.is_remote(destination):
            number, new = objects.push(bundle, destination, artifacts.MANIFEST)
        else:
            number, new = versions.push(bundle, Path(destination), artifacts.MANIFEST)
        path = f"{destination}/{number}"
        shutil.copytree(bundle, pushed.uri, dirs_exist_ok=True)
        self._MarkPushed(pushed, pushed_destination=path, pushed_version=str(number))
        progress.note(
            f"pushed as version {number}: {path}" if new else f"stands there already as version {number}: {path}"
        )


def _negative(inputs: dict[str, list[Artifact]]) -> list[str]:
    """Whose blessings were refused."""
    missing = [key for key in BLESSINGS if len(inputs.get(key) or []) != 1]
    if missing:
        raise ValueError(
            f"nothing is pushed without a blessing: {', '.join(missing)} missing, one artifact expected of each"
        )
    return [
        whose
        for key, whose in BLESSINGS.items()
        if not (
            model_utils.is_infra_validated(inputs[key][0])
            if key == "infra_blessing"
            else model_utils.is_model_blessed(inputs[key][0])
        )
    ]
