"""Beam's runners by name: the ones that work in the process itself, and the options with which nodes use them."""

from __future__ import annotations

# Whatever other runners are given must be readable from outside of the process, and of its container.
IN_PROCESS = ("FnApiRunner", "DirectRunner", "BundleBasedDirectRunner")
# Without the second flag TFX builds a source distribution of itself for each Beam node.
LOCAL_BEAM = (f"--runner={IN_PROCESS[0]}", "--sdk_container_image=unused", "--direct_running_mode=in_memory")
