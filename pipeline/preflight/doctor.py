"""What this machine has for modelmill, and what to do where something is wrong.

What loads native libraries runs in a process of its own (`python -P -m modelmill.pipeline.preflight.doctor ROOT`): one
that does not load must not take the diagnosis with it.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from modelmill.data.core import format

State = Literal["ok", "note", "wrong"]
# What TFX 1.21's wheels of ML Metadata and TFDV are built against.
GLIBC = (2, 38)
SETUP = "set up again: make setup"
DISK_GB, MEMORY_GB = 2.0, 2.0


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, what was found, and what to do about it."""

    name: str
    state: State
    found: str
    do: str = ""


def examine(root: Path) -> Iterator[Finding]:
    """Every finding, the quick ones first. Args: root: the folder of all runs."""
    yield from (_python(), _packages(), _c_library(), _bytecode(), _disk(root), _memory())
    yield from _in_a_child(root)


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info[:2] == (3, 11):
        return Finding("Python", "ok", version)
    return Finding("Python", "wrong", version, "TFX's kfp extra needs Python 3.11: install it, then make setup")


def _packages() -> Finding:
    """The versions that modelmill asks for, and those that are installed."""
    from packaging.requirements import Requirement

    found, wrong = [], []
    for line in metadata.requires("modelmill") or []:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        found.append(f"{requirement.name} {version}")
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version}, needed is {requirement.specifier}")
    if wrong:
        return Finding("packages", "wrong", "; ".join(wrong), SETUP)
    told = [
        one for one in found if one.startswith(("tensorflow ", "tf_keras", "tfx", "apache-beam", "tensorflow-model-o"))
    ]
    return Finding("packages", "ok", f"modelmill {metadata.version('modelmill')}, {', '.join(told)}")


def _c_library() -> Finding:
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except ValueError:
        text = ""
    numbers = text.removeprefix("glibc ").split(".")
    if not text.startswith("glibc "):
        return Finding("C library", "wrong", text or platform.system(), "TFX's wheels need Linux with glibc 2.38")
    if tuple(int(number) for number in numbers[:2]) < GLIBC:
        return Finding("C library", "wrong", text, f"TFX's wheels need {'.'.join(map(str, GLIBC))}; {SETUP}")
    return Finding("C library", "ok", text)


def _bytecode() -> Finding:
    if sys.dont_write_bytecode:
        todo = "unset PYTHONDONTWRITEBYTECODE: without bytecode each start takes three times as long"
        return Finding("bytecode", "note", "is not kept", todo)
    return Finding("bytecode", "ok", "is kept")


def _disk(root: Path) -> Finding:
    there = next(path for path in (root.resolve(), *root.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    found = f"{format.gigabytes(free)} free for {root}"
    return Finding("disk", *_enough(free, DISK_GB, found, "make room, or give --root another disk"))


def _memory() -> Finding:
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return Finding("memory", "note", "how much is free is not known here")
    return Finding("memory", *_enough(free, MEMORY_GB, f"{format.gigabytes(free)} available", "end other programs"))


def _enough(free: int, least: float, found: str, todo: str) -> tuple[State, str, str]:
    """Return what is said of so many free bytes, and of the GB that are needed."""
    return ("ok", found, "") if free >= least * 1e9 else ("wrong", f"{found}; needed are {least:g}", todo)


def _in_a_child(root: Path) -> Iterator[Finding]:
    """What needs TensorFlow and TFX."""
    command = [sys.executable, "-P", "-m", "modelmill.pipeline.preflight.doctor", str(root)]
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    with tempfile.TemporaryFile("w+", errors="replace") as told:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True, env=environment)
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith('{"name":'):
                yield Finding(**json.loads(line))
        code = child.wait()
        told.seek(0)
        last = ([line.strip() for line in told if line.strip()] or ["it said nothing"])[-1]
    if code:
        yield Finding("loading", "wrong", f"the process that loads TFX ended with {code}; last it said: {last}", SETUP)


def main(root: Path) -> None:
    """The child: prints its findings as JSON lines."""
    looks: list[tuple[str, Callable[[], Finding], str]] = [
        ("TensorFlow", _tensorflow, SETUP),
        ("devices", _devices, "see nvidia-smi, or hide the GPUs: CUDA_VISIBLE_DEVICES="),
        ("TFX", _tfx, SETUP),
        ("Beam runner", _beam, SETUP),
        ("metadata store", lambda: _metadata_store(root), "let it be written to, or give another --root"),
        ("flatbuffers", _flatbuffers, SETUP),
    ]
    for name, look, todo in looks:
        try:
            finding = look()
        # Whatever is wrong with a library, it is a finding, and those after it are still to be looked for.
        except Exception as error:
            finding = Finding(name, "wrong", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", todo)
        print(json.dumps(asdict(finding)), flush=True)


def _tensorflow() -> Finding:
    import tensorflow as tf

    if not tf.keras.Model.__module__.startswith("tf_keras."):
        todo = "set TF_USE_LEGACY_KERAS=1, and before TensorFlow is imported"
        return Finding("TensorFlow", "wrong", f"{tf.__version__} with Keras 3; TFX works with Keras 2", todo)
    return Finding("TensorFlow", "ok", f"{tf.__version__} with Keras 2")


def _devices() -> Finding:
    import tensorflow as tf

    from modelmill.components.models.training import strategy

    gpus = tf.config.list_physical_devices("GPU")
    chosen, why = strategy.choose(strategy.DEFAULT, len(gpus))
    with tf.device("/gpu:0" if gpus else "/cpu:0"):
        assert float(tf.reduce_sum(tf.ones([2, 2]) @ tf.ones([2, 2]))) == 8
    cores = len(os.sched_getaffinity(0))
    return Finding("devices", "ok", f"{cores} CPU cores, {len(gpus)} GPUs; auto is {chosen.name}, since {why}")


def _tfx() -> Finding:
    from tfx import v1 as tfx

    # TFX gives None for a component whose import failed, and says nothing.
    missing = [
        name for name in ("StatisticsGen", "Transform", "Trainer", "Evaluator") if not hasattr(tfx.components, name)
    ]
    missing += [name for name in vars(tfx.components) if name[0].isupper() and getattr(tfx.components, name) is None]
    if missing:
        return Finding("TFX", "wrong", f"{tfx.__version__}, without {', '.join(missing)}", SETUP)
    return Finding("TFX", "ok", f"{tfx.__version__} with all its components")


def _beam() -> Finding:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from modelmill.components.beam_runners import LOCAL_BEAM

    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM))) as pipeline:
            numbers = pipeline | beam.Create([1, 2, 3]) | beam.CombineGlobally(sum)
            numbers | beam.Map(str) | beam.io.WriteToText(f"{folder}/sum", shard_name_template="")
        total = Path(folder, "sum").read_text().strip()
    if total != "6":
        return Finding("Beam runner", "wrong", f"1 + 2 + 3 came out as {total}", SETUP)
    return Finding("Beam runner", "ok", f"{beam.__version__}, {LOCAL_BEAM[0].removeprefix('--runner=')}")


def _metadata_store(root: Path) -> Finding:
    """Writes a store where the experiments' stores are, and reads it back."""
    from ml_metadata.metadata_store import metadata_store
    from ml_metadata.proto import metadata_store_pb2
    from tfx import v1 as tfx

    there = root.exists()
    root.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=root) as folder:
            connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(f"{folder}/metadata.sqlite")
            store = metadata_store.MetadataStore(connection)
            store.put_context_type(metadata_store_pb2.ContextType(name="doctor"))
            assert store.get_context_type("doctor").name == "doctor"
    finally:
        if not there:
            root.rmdir()
    return Finding("metadata store", "ok", f"sqlite in {root} can be written")


def _flatbuffers() -> Finding:
    from ai_edge_litert.interpreter import Interpreter

    assert Interpreter
    return Finding("flatbuffers", "ok", f"ai-edge-litert {metadata.version('ai-edge-litert')}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
