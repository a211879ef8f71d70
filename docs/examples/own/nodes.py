"""A TFX component: how many examples each split has of each label."""

import json
from collections import Counter
from pathlib import Path

import tensorflow as tf
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, HyperParameters


@component
def count_labels(examples: InputArtifact[Examples], counts: OutputArtifact[HyperParameters]) -> None:
    """Writes labels.json: {split: {label: how many}}."""
    found = {}
    for split in artifact_utils.decode_split_names(examples.split_names):
        labels: Counter[str] = Counter()
        files = tf.io.gfile.glob(f"{examples.uri}/Split-{split}/*")
        for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
            label = tf.train.Example.FromString(record).features.feature["label"]
            labels[label.bytes_list.value[0].decode()] += 1
        found[split] = dict(labels)
    Path(counts.uri).mkdir(parents=True, exist_ok=True)
    Path(counts.uri, "labels.json").write_text(json.dumps(found))
