"""The work of the node `push`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tfx.components.pusher import executor
from tfx.components.util import model_utils
from tfx.types import Artifact, artifact_utils

from modelmill.components import artifacts, integrity
from modelmill.components.push import damaged_versions, gcs_versions, local_versions
from modelmill.components.upstream import tfx_internals
from modelmill.data.core import files, progress

# Each must be there, and positive.
BLESSINGS = {
    "model_blessing": "of the float model",
    "compressed_blessing": "of the compressed model",
    "infra_blessing": "of the load check",
}


class Executor(executor.Executor):
    """TFX's Pusher, but all blessings are required, and a version appears whole, as it was checked, or not at all.

    The custom properties of the PushedModel are TFX's: pushed, pushed_destination, pushed_version. As with TFX's the
    artifact itself holds a copy of what was pushed.
    """

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Push what is blessed; inputs, outputs and parameters are those of component.Pusher.

        Raises:
          ValueError: a blessing is missing.
          DamagedError: the bundle is not what was checked.
        """
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        refused = _negative(input_dict)
        if refused:
            tfx_internals.mark_not_pushed(self, pushed)
            progress.note(f"not pushed: the blessing {' and that '.join(refused)} was refused")
            return
        bundle = artifact_utils.get_single_instance(input_dict["bundle"])
        folder = Path(bundle.uri)
        digests = _whole(folder, bundle.get_string_custom_property(artifacts.MANIFEST_DIGEST))
        destination = exec_properties["destination"].rstrip("/")
        if files.is_remote(destination):
            number, new = gcs_versions.push(folder, destination, artifacts.MANIFEST)
        else:
            number, new = local_versions.push(folder, Path(destination), artifacts.MANIFEST)
        path = f"{destination}/{number}"
        integrity.copy(folder, Path(pushed.uri), digests)
        tfx_internals.mark_pushed(self, pushed, path, str(number))
        progress.note(
            f"pushed as version {number}: {path}" if new else f"stands there already as version {number}: {path}"
        )


def _whole(folder: Path, manifest_digest: str) -> dict[str, str]:
    """Return the digests of a bundle's files, which are those of the load check.

    Args:
      folder: of the bundle.
      manifest_digest: of its manifest, as the load check recorded it; "" if it did not.

    Raises:
      ValueError: there is no manifest.
      DamagedError: a file is missing or has another content.
    """
    if not (folder / artifacts.MANIFEST).is_file():
        raise ValueError(
            f"blessed, but damaged: there is no {artifacts.MANIFEST} in {folder}; {damaged_versions.REMEDY}"
        )
    content = (folder / artifacts.MANIFEST).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if manifest_digest not in ("", found):
        raise integrity.DamagedError(
            f"damaged: {artifacts.MANIFEST}: expected SHA-256 {manifest_digest}, found {found} ({len(content)} bytes); "
            f"in {folder}; {damaged_versions.REMEDY}"
        )
    digests = damaged_versions.refuse(folder, content)
    more = integrity.unlisted(folder, digests)
    if more:
        progress.note(f"warning: not pushed, because {artifacts.MANIFEST} does not list them: {', '.join(more)}")
    return digests


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
