"""A process that has loaded TFX and forks a run for each line it reads: an import a run would take minutes in all.

Forking is sound, because nothing of TensorFlow, Beam or the metadata store was used before.

Lines in: a JSON list, the arguments of `modelmill run`. Lines out: "pid N", what the run prints, "exit CODE".
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Reads until its input ends."""
    from modelmill.pipeline import graph  # noqa: F401  what takes so long
    from modelmill.pipeline.experiment.experiment import load
    from modelmill.pipeline.runners.local.run import Request, run

    print("ready", flush=True)
    for line in sys.stdin:
        experiment, root, *overrides = json.loads(line)
        child = os.fork()
        if not child:
            os._exit(run(Request(load(experiment, overrides), Path(root), ["modelmill", "run", experiment])).code)
        print(f"pid {child}", flush=True)
        _, status = os.waitpid(child, 0)
        print(f"exit {os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    main()
