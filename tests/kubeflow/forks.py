"""A process that has loaded TensorFlow and TFX, and forks a container's command for each line it reads.

Lines in: JSON, {"words": [MODULE, ARGUMENT, ...], "env": {...}, "log": FILE}. Lines out: the process's id, and when it
has ended its exit code. Nothing of modelmill is loaded beforehand, and nothing of TensorFlow or Beam was used.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from importlib import import_module
from typing import Any, NoReturn

LOADED = (
    "tensorflow",
    "tf_keras",
    "tfx.v1",
    "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor",
    "tfx.orchestration.kubeflow.v2.file_based_example_gen.driver",
    "tensorflow_data_validation",
    "tensorflow_model_analysis",
    "tensorflow_model_optimization",
    "ai_edge_litert.interpreter",
)


def main() -> None:
    """Reads until its input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for name in LOADED:
        import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            become(**json.loads(line))
        print(child, file=answers, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def become(words: list[str], env: dict[str, str], log: str) -> NoReturn:
    """What a new process with the command `python -P -m WORDS` would be."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(env["HOME"])
    sys.argv = words
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor, opened in ((0, os.open(os.devnull, os.O_RDONLY)), (1, file), (2, file)):
        os.dup2(opened, descriptor)
    code: Any = 1
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
