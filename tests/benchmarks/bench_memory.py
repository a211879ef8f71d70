"""Memory of the nodes that move examples through Beam, above the memory after import, each in a process of its own.

`make bench ARGS='-k memory'` prints the table of docs/benchmarks.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Images, and the side of each: photos' worth of noise, which PNG can't make smaller.
CASES = ((2_000, 28), (20_000, 28), (2_000, 144))
NODES = ("ingest", "transform", "augment")


@pytest.mark.parametrize("count, side", CASES)
def test_memory(count: int, side: int, tmp_path: Path) -> None:
    write_images(tmp_path / "data", count, side)
    size = sum(path.stat().st_size for path in (tmp_path / "data").glob("*/*")) / count
    print(f"\n{count:,} images, {side}x{side} grey, {size:,.0f} bytes a file")
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    for node in NODES:
        command = [sys.executable, __file__, node, str(tmp_path), str(side)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert done.returncode == 0
        found = json.loads(done.stdout.splitlines()[-1])
        per = found["grown"] / count
        print(
            f"  {node:10} {found['imported'] / 1e6:6,.0f} MB after import, {found['grown'] / 1e6:6,.0f} MB more, "
            f"{per:7,.0f} bytes an image"
        )
        assert per < 1_000_000


def write_images(folder: Path, count: int, side: int) -> None:
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for label in range(10):
        (folder / str(label)).mkdir(parents=True)
    for number in range(count):
        pixels = random.integers(0, 256, (side, side), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / str(number % 10) / f"{number}.png")


def measured(work: Any) -> dict[str, int]:
    """Bytes resident before, and how far they rose while it worked."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    work()
    return {"imported": before, "grown": resident("VmHWM") - before}


def resident(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def main(node: str, folder: Path, side: int) -> None:
    """Runs one node on what the ones before have left in the folder."""
    from tfx import v1 as tfx
    from tfx.components.util import examples_utils
    from tfx.proto import example_gen_pb2
    from tfx.types import artifact_utils, standard_artifacts

    from modelmill.components.augment.component import Augmenter
    from modelmill.components.ingest.component import example_gen
    from modelmill.components.testing.pytest_plugin import NodeRunner
    from modelmill.components.transform.component import transform
    from modelmill.data import modality

    image = modality.look_up("image")
    from modelmill.data.splits import SplitConfig

    run = NodeRunner(folder / node)
    data = image.Config(path=str(folder / "data"), height=side, width=side, channels=1)

    def left(key: str, kind: Any = standard_artifacts.Examples) -> Any:
        artifact = run.artifact(kind, (folder / f"{key}.txt").read_text())
        if kind is standard_artifacts.Examples:
            artifact.split_names = artifact_utils.encode_split_names(["train", "eval", "test"])
            examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
            examples_utils.set_file_format(artifact, "tfrecords_gzip")
        return run.channel(artifact)

    made: dict[str, Any] = {}
    if node == "ingest":
        component = example_gen(data.path or "", data, SplitConfig(), "code")
    elif node == "transform":
        component = transform(left("examples"), left("schema", standard_artifacts.Schema), data, "code")
    else:
        policy = image.Policy(rotation=30, brightness=0.2, mode="materialized", copies=2)
        graph = left("transform_graph", standard_artifacts.TransformGraph)
        component = Augmenter(left("transformed_examples"), graph, data=data, policy=policy, seed=0, code="code")
    found = measured(lambda: made.update(run(component)))
    if node == "ingest":
        statistics = tfx.components.StatisticsGen(component.outputs["examples"])
        run(statistics)
        made |= run(tfx.components.SchemaGen(statistics.outputs["statistics"], exclude_splits=["eval", "test"]))
    for key, (artifact, *_) in made.items():
        (folder / f"{key}.txt").write_text(artifact.uri)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
