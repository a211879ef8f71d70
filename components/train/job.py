"""Train: JSON in, a Model artifact's content out. A program: `python -P -m modelmill.components.train.job FILE`."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

from modelmill.components.artifacts import HISTORY_FILE, PACE_FILE
from modelmill.components.models import family
from modelmill.components.models.export import model_store, saved_model
from modelmill.components.models.training import class_weights as training_class_weights
from modelmill.components.models.training import driver, loop, strategy
from modelmill.components.models.training.dataset import Examples
from modelmill.components.models.training.tensorboard import Scalars
from modelmill.components.train.config import TrainConfig
from modelmill.data import modality, specs
from modelmill.data.core import gc_tuning, subprocess_job


def run(work: dict[str, Any]) -> None:
    """Trains as `work` says and writes the SavedModel, what rebuilds the model, and the history (TensorBoard's too).

    Args:
      work: the sections data, augment, model and train; seed; files of each split; transform_graph; and the
        folders serving, rebuild, model_run and checkpoints.
    """
    train = TrainConfig.model_validate(work["train"])
    # First of all: a strategy may have to be set up before TensorFlow makes its devices.
    made = strategy.make(train.strategy)
    _repeatable(work["seed"], train.xla)
    kind = modality.look_up(work["data"]["modality"])
    data = kind.Config.model_validate(work["data"])
    config = family.settle(family.look_up(work["model"]["family"]).Config.model_validate(work["model"]))
    spec = specs.describe(work["transform_graph"], work["files"]["train"], data)
    batch = train.global_batch(made.num_replicas_in_sync)
    even = {"train": train.oversample}
    examples = {split: Examples(files, spec, batch, even.get(split, 0)) for split, files in work["files"].items()}
    for split, found in examples.items():
        if not found.count:
            raise ValueError(f"the {split} split has no examples; give more data or change `split` in the experiment")
    class_weights = training_class_weights.per_label(train.class_weights, examples["train"])
    logs = Scalars(Path(work["model_run"]))
    networks, history = driver.train(
        build=lambda: family.begin(config, spec),
        examples=examples,
        learning=train,
        policy=kind.Policy.model_validate(work["augment"]),
        seed=work["seed"],
        strategy=made,
        checkpoints=Path(work["checkpoints"]),
        class_weights=class_weights,
        watch=logs.row,
        factors=family.factors(config),
        loop=train.loop,
    )
    logs.close()
    stored = model_store.Stored(config, spec, work["data"], loop.written(train.loop), batch, class_weights)
    model_store.save(Path(work["rebuild"]), stored, networks)
    # Rebuilt from what was stored: free of the strategy, and proof that it can be rebuilt.
    _, built = model_store.load_networks(Path(work["rebuild"]))
    plug_in = family.look_up(config.family)
    served, more = built[plug_in.SERVED[0]], plug_in.signatures(config, built, spec, None)
    others = [one for name in plug_in.SERVED[1:] for one in built[name].variables]
    saved_model.export(served, spec, work["transform_graph"], Path(work["serving"]), more, others)
    Path(work["model_run"]).mkdir(parents=True, exist_ok=True)
    Path(work["model_run"], HISTORY_FILE).write_text(json.dumps(history, indent=1))
    # The first epoch compiles. With the model, because the Compressor tells by it what fine-tuning will take.
    took = [row["seconds"] for row in history[1:] or history]
    Path(work["rebuild"], PACE_FILE).write_text(json.dumps({"seconds_per_epoch": median(took)}))


def _repeatable(seed: int, xla: bool) -> None:
    """Same seed, same model: on one device every op gives the same bits each time.

    XLA refuses ops of which it has no such version (the gradient of max pooling), so with it only the seeds are set.
    """
    import tensorflow as tf
    import tf_keras

    tf_keras.utils.set_random_seed(seed)
    if not xla:
        tf.config.experimental.enable_op_determinism()


if __name__ == "__main__":
    with gc_tuning.settled():  # the work needs it anyway: what it leaves is not collected again and again
        import tf_keras  # noqa: F401
    subprocess_job.main(run)
