"""The command of every container: does what the KFP launcher leaves out, then runs TFX's own entrypoint.

    python -P -m modelmill.pipeline.runners.kubeflow.container.entrypoint --executor_class_path CLASS
        --json_serialized_invocation_args {{$}} --json_serialized_inputs_spec_args JSON --declared_outputs KEY,KEY
        [--time_limit SECONDS] [--driver_only] [Beam options]

Exit codes: 0 done, 1 failed, 3 a gate refused, 124 out of time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from modelmill.components import beam_runners
from modelmill.components.gates import GateRefusedError
from modelmill.components.upstream import tfx_internals
from modelmill.data.core import progress
from modelmill.pipeline.runners import failure
from modelmill.pipeline.runners.kubeflow import task_outcome
from modelmill.pipeline.runners.kubeflow.container import executor_io, markers
from modelmill.pipeline.runners.kubeflow.task_outcome import TaskOutcome

DONE, FAILED, REFUSED, OUT_OF_TIME = 0, 1, 3, 124
# Where Kubernetes looks for the last word of a container.
TERMINATION_LOG = Path("/dev/termination-log")


def main(argv: list[str]) -> int:
    """Runs one task; the exit code."""
    options, beam = _options(argv)
    sys.argv = sys.argv[:1]  # Beam's executors parse it with absl, which knows none of these options
    # Forced: what was imported before may have set up logging of its own.
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    if options.time_limit:
        _watch(options.time_limit)
    try:
        with progress_in_log():
            _run(options, beam)
    except (Exception, KeyboardInterrupt) as error:
        return _ended_early(error)  # behind all progress: a log's last line is the reason
    return DONE


def _options(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--executor_class_path", default="")
    parser.add_argument("--json_serialized_invocation_args", required=True)
    parser.add_argument("--json_serialized_inputs_spec_args", default="{}")
    parser.add_argument("--declared_outputs", type=lambda keys: [key for key in keys.split(",") if key])
    parser.add_argument("--time_limit", type=int)
    parser.add_argument("--driver_only", action="store_true")
    return parser.parse_known_args(argv)


def _run(options: argparse.Namespace, beam: list[str]) -> None:
    executor_input = json.loads(options.json_serialized_invocation_args)
    logging.info("ExecutorInput (for `modelmill run-node`): %s", json.dumps(executor_input))
    inputs_spec = json.loads(options.json_serialized_inputs_spec_args or "{}")
    extra = executor_io.mend_input(executor_input, inputs_spec, beam_runners.is_remote(beam), options.declared_outputs)
    file = Path(executor_input["outputs"]["outputFile"])
    properties = executor_input["inputs"]["parameterValues"]
    if "input_base" in properties and "input_config" in properties:
        _sample(properties)
        if options.driver_only or not file.exists():
            tfx_internals.run_driver(_handed(options, executor_input))
        executor_io.add_driver_metadata(executor_input, json.loads(file.read_text(encoding="utf-8")))
    if not options.driver_only:
        for folder in executor_io.output_folders(executor_input):
            os.makedirs(folder, exist_ok=True)
        tfx_internals.run_executor(_handed(options, executor_input), beam)
        markers.remove(executor_io.remote_outputs(executor_input))
    output = json.loads(file.read_text(encoding="utf-8"))
    executor_io.mend_output(output, extra)
    file.write_text(json.dumps(output, indent=1), encoding="utf-8")
    refused = executor_io.refusal(executor_input, output)
    if refused:
        raise GateRefusedError(refused)


def _handed(options: argparse.Namespace, executor_input: dict[str, Any]) -> argparse.Namespace:
    """The options as TFX's own entrypoints take them."""
    return argparse.Namespace(
        executor_class_path=options.executor_class_path,
        json_serialized_invocation_args=json.dumps(executor_input),
        json_serialized_inputs_spec_args=options.json_serialized_inputs_spec_args,
    )


def _sample(properties: dict[str, Any]) -> None:
    """Writes a data set that comes with modelmill, if that is what is to be read."""
    from modelmill.components.ingest.config import settings
    from modelmill.data import sample_data

    name, folder = settings(properties)[0].sample, Path(properties["input_base"])
    if name is None or folder.name != name or folder.exists():
        return
    sample_data.materialize(name, folder.parent)
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))  # ExampleGen's fingerprint has the files' times: each pod is to find the same


def _ended_early(error: BaseException) -> int:
    """Tells why: whole in the log, in short at its end and to Kubernetes."""
    logging.exception("the task ended early")
    refused = failure.refusal(error)
    reason = refused or failure.reason(error)
    _say(TaskOutcome(refused is not None, reason))
    if TERMINATION_LOG.exists() and os.access(TERMINATION_LOG, os.W_OK):
        TERMINATION_LOG.write_text(reason[:4000], encoding="utf-8")
    return REFUSED if refused else FAILED


def _say(outcome: TaskOutcome) -> None:
    """Write the outcome to the log: for clients, and as its last line for people."""
    word = "refused" if outcome.refused else "failed"
    print(f"{task_outcome.to_line(outcome)}\n{word}: {outcome.reason}", file=sys.stderr, flush=True)


def _watch(seconds: int) -> None:
    """Ends the process when its time is over. A thread: signals wait as long as C++ code is at work."""

    def end() -> None:
        time.sleep(seconds)
        _say(TaskOutcome(False, f"out of time after {seconds} s (run.time_limits)"))
        leave(OUT_OF_TIME)

    threading.Thread(target=end, daemon=True, name="time limit").start()


@contextlib.contextmanager
def progress_in_log() -> Iterator[None]:
    """Writes what nodes tell of their progress to the log: there is nobody else to read their file."""
    if progress.ENV in os.environ:
        yield
        return
    over = threading.Event()
    with tempfile.NamedTemporaryFile(mode="r", prefix="modelmill-progress-", encoding="utf-8") as file:

        def follow() -> None:
            last = False
            while not last:
                last = over.wait(5)
                for line in file:
                    print(line.rstrip("\n"), file=sys.stderr, flush=True)

        follower = threading.Thread(target=follow, daemon=True, name="progress")
        os.environ[progress.ENV] = file.name
        follower.start()
        try:
            yield
        finally:
            over.set()
            follower.join()
            del os.environ[progress.ENV]


def leave(code: int) -> NoReturn:
    """Ends the process at once, with everything written: TensorFlow was seen to crash in its own ending."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    # Both are read when TensorFlow is imported.
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["PYTHONSAFEPATH"] = "1"  # as `python -P`, for the workers that Beam starts
    leave(main(sys.argv[1:]))
