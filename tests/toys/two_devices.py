"""Train a toy on two logical devices. A program: one strategy a process, and devices before TensorFlow has any.

`python -m tests.toys.two_devices PLUGINS ROOT RUN DATA` prints [replicas, figures of each epoch ...].
"""

import json
import sys
import tempfile
from pathlib import Path

from modelmill.components.models.training import strategy

if __name__ == "__main__":
    made = strategy.make(strategy.parse({"name": "mirrored", "devices": 2}))

    import modelmill
    from modelmill.pipeline.records import run
    from tests.toys import chain

    plugins, root, folder, data = sys.argv[1:]
    experiment = modelmill.load_experiment(Path(plugins, "experiment.yaml"), {"data.path": data})
    toy = chain.Chain(Path(plugins), Path(root), experiment, run.read(Path(folder)))
    with tempfile.TemporaryDirectory() as checkpoints:
        _, rows = chain.learn(toy, Path(checkpoints), made)
    print(json.dumps([made.num_replicas_in_sync, *rows]))
