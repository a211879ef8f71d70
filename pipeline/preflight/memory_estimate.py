"""What a run needs of this machine's memory, told before it begins: Beam's in-process runner holds what it shuffles."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from modelmill.components.beam_runners import IN_PROCESS
from modelmill.data import modality
from modelmill.data.core import files, format
from modelmill.data.readers import file_listing
from modelmill.data.readers.labels_csv import BadDataError
from modelmill.pipeline.experiment.experiment import Experiment

# Measured, see docs/benchmarks.md: above the memory of the imports, which is BASE.
PER_EXAMPLE, PER_BYTE = 8_000, 5
BASE = 1_300_000_000


def note(experiment: Experiment, folder: Path | str) -> str | None:
    """One line for a person, or None where another runner does the work.

    Args:
      experiment: its modality says which files are read, its Beam options by what.
      folder: of the data.
    """
    runner = next((one.partition("=")[2] for one in experiment.run.beam if one.startswith("--runner=")), "DirectRunner")
    if runner not in IN_PROCESS:
        return None
    pattern = modality.pattern(experiment.data)
    try:
        rows = file_listing.list_files(str(folder), pattern, experiment.data, experiment.split).rows
    except (BadDataError, OSError):
        return None  # ingest is the one to say what is wrong with the data
    sizes = [files.state(os.path.join(folder, row.path))[0] for row in rows]
    sizes = [one for one in sizes if one >= 0]
    size = sum(sizes)
    need, there = BASE + len(sizes) * PER_EXAMPLE + size * PER_BYTE, available()
    text = f"memory: about {_gb(need)} at most, for {len(sizes):,} files of {_gb(size)} in all"
    if there is None or need <= there:
        return text
    return (
        f"WARNING: {text}; only {_gb(there)} are free. Beam's in-process runner holds a split in memory: give fewer "
        "or smaller files, or another runner by run.beam, such as --runner=FlinkRunner (docs/benchmarks.md: figures)"
    )


def available() -> int | None:
    """Bytes that this process may still take: the machine's, or its container's if that has less. None if unknown."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except OSError:  # not Linux
        return None
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit
        used = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        found.append(int((group / "memory.max").read_text()) - int(used["anon"]))  # caches give way
    return min(found, default=None)


def _gb(size: float) -> str:
    return format.gigabytes(size) if size >= 1e8 else format.megabytes(size)
