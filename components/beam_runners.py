"""Beam's runners by name: the ones that work in the process itself, and the options with which nodes use them."""

from __future__ import annotations

from collections.abc import Iterable

# Whatever other runners are given must be readable from outside of the process, and of its container.
IN_PROCESS = ("FnApiRunner", "DirectRunner", "BundleBasedDirectRunner")
# Without the second flag TFX builds a source distribution of itself for each Beam node.
LOCAL_BEAM = (f"--runner={IN_PROCESS[0]}", "--sdk_container_image=unused", "--direct_running_mode=in_memory")
# A portable runner's workers are then processes of the pipeline's own machine.
LOOPBACK = "--environment_type=LOOPBACK"


def runner(options: Iterable[str]) -> str:
    """Return the name of the runner in Beam options; "" if they name none."""
    return next((option.partition("=")[2] for option in options if option.startswith("--runner=")), "")


def is_remote(options: Iterable[str]) -> bool:
    """Return whether Beam's work is done outside of the process."""
    return runner(options) not in ("", *IN_PROCESS)
