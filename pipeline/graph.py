"""From an experiment to its pipeline: the whole chain in one function, wiring only.

Each node gets only the sections of the experiment that it uses, and a digest of the source that it runs: what is not
among a node's inputs and properties does not make it run again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tfx import v1 as tfx
from tfx.types import BaseChannel

from modelmill.components.augment.component import Augmenter
from modelmill.components.compress.component import Compressor
from modelmill.components.evaluate.baseline_resolver import baseline_resolver
from modelmill.components.evaluate.component import CompressedEvaluator, evaluator
from modelmill.components.ingest.component import example_gen
from modelmill.components.load_check.component import LoadCheck, sources
from modelmill.components.models import family
from modelmill.components.push.component import Pusher
from modelmill.components.source_digest import code
from modelmill.components.train.component import trainer
from modelmill.components.transform.component import transform
from modelmill.components.validate.component import DataGate, example_validator, gate_config, schema_gen, statistics_gen
from modelmill.components.validate.previous_resolver import statistics_resolver
from modelmill.data import modality, task
from modelmill.data.core import plugins
from modelmill.data.core.fetch import resolve
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.layout import Folders


@dataclass(frozen=True)
class Places:
    """What differs between this machine and a cluster: where things lie, and how those of earlier runs are found.

    Attributes:
      data: folder of the data.
      checkpoints: folder in which unfinished trainings outlive their node.
      destination: folder of the pushed versions.
      baseline: makes, of the candidate model, the node `baseline` with its output `model`.
      last_statistics: makes, of this run's statistics, the node `last-statistics` with its output `statistics`.
      history: folder in which the data gate keeps the statistics for such a look-up; "" where a metadata store does.
    """

    data: str
    checkpoints: str
    destination: str
    baseline: Callable[[BaseChannel], tfx.dsl.components.BaseNode] = baseline_resolver
    last_statistics: Callable[[BaseChannel], tfx.dsl.components.BaseNode] = statistics_resolver
    history: str = ""


def build(experiment: Experiment, folders: Folders) -> tfx.dsl.Pipeline:
    """The pipeline of a validated experiment, its artifacts, metadata and versions in `folders`."""
    places = Places(
        data=experiment.data.path or str(folders.samples / str(experiment.data.sample)),
        checkpoints=str(folders.experiment / "checkpoints"),
        destination=experiment.push.destination or str(folders.pushed),
    )
    return tfx.dsl.Pipeline(
        pipeline_name=experiment.name,
        pipeline_root=str(folders.artifacts),
        components=chain(experiment, places),
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(folders.metadata)),
        beam_pipeline_args=list(experiment.run.beam),
        enable_cache=True,
    )


def chain(experiment: Experiment, places: Places) -> list[tfx.dsl.components.BaseNode]:
    """The nodes, in the order of NODES in layout.py; `augment` only where the policy is materialized."""
    data, augment, compress = experiment.data, experiment.augment, experiment.compress
    judge = experiment.evaluate.resolved(data.task)
    reads = (plugins.module_name(modality.PACKAGE, data.modality), plugins.module_name(task.PACKAGE, data.task))
    learns = (*reads, f"{family.PACKAGE}.{experiment.model.family}", *experiment.train.modules())

    ingest = example_gen(places.data, data, experiment.split, code("modelmill.components.ingest.executor", *reads))
    examples = ingest.outputs["examples"]

    statistics = statistics_gen(examples, data)
    schema = schema_gen(statistics.outputs["statistics"], data.schema_file)
    validator = example_validator(statistics.outputs["statistics"], schema.outputs["schema"])
    last = places.last_statistics(statistics.outputs["statistics"])
    data_gate = DataGate(
        statistics=statistics.outputs["statistics"],
        anomalies=validator.outputs["anomalies"],
        config=gate_config(
            experiment.validation, data, judge.slices or (), (str(judge.metric), *judge.also), experiment.split
        ),
        history=places.history,
        code=code("modelmill.components.validate.data_gate"),
        last=last.outputs["statistics"],
    ).with_id("data-gate")

    learned = code("modelmill.components.transform.preprocessing", *reads) + resolve.digest(data.outside())
    preprocess = transform(examples, schema.outputs["schema"], data, learned)
    preprocess.add_upstream_node(data_gate)
    transformed: BaseChannel = preprocess.outputs["transformed_examples"]

    plain, augmented = transformed, []
    if augment.materializes():
        node = Augmenter(
            transformed,
            preprocess.outputs["transform_graph"],
            data=data,
            policy=augment,
            seed=experiment.run.seed,
            code=code("modelmill.components.augment.executor", *reads) + resolve.digest(augment.outside()),
        )
        augmented, transformed = [node], node.outputs["augmented_examples"]

    begins = {**{f"augment.{name}": path for name, path in augment.outside().items()}, **experiment.model.files()}
    train = trainer(
        transformed,
        preprocess.outputs["transform_graph"],
        schema.outputs["schema"],
        data=data,
        augment=augment.online(),
        model=experiment.model,
        train=experiment.train,
        seed=experiment.run.seed,
        checkpoints=places.checkpoints,
        code=code("modelmill.components.train.executor", *learns) + resolve.digest(begins),
    )
    model = train.outputs["model"]

    baseline = places.baseline(model)
    evaluate = evaluator(
        examples,
        model,
        baseline.outputs["model"],
        schema.outputs["schema"],
        judge,
        code=code(
            "modelmill.components.evaluate.tfma_extractors", "modelmill.components.evaluate.float_executor", reads[1]
        ),
        asked=data.task,
    )

    small = Compressor(
        float_model=model,
        examples=transformed,
        config=compress.canonical(),
        augment=augment.online().canonical(),
        metric=str(judge.metric),
        seed=experiment.run.seed,
        checkpoints=places.checkpoints,
        code=code(
            "modelmill.components.compress.executor",
            "modelmill.components.compress.trials.main",
            *learns,
            *compress.modules(),
        )
        + resolve.digest(augment.outside()),
        **({"plain_examples": plain} if augmented else {}),
    ).with_id("compress")
    small.add_upstream_node(evaluate)
    evaluate_small = CompressedEvaluator(
        examples=examples,
        model=model,
        compressed=small.outputs["model"],
        report=small.outputs["report"],
        config=judge,
        data=data,
        max_drop=compress.max_drop,
        margin=compress.margin,
        min_agreement=compress.min_agreement,
        max_calibration_rise=compress.max_calibration_rise,
        code=code("modelmill.components.evaluate.executor", *reads),
    )

    check = LoadCheck(
        examples=examples,
        model=model,
        compressed=small.outputs["model"],
        predictions=evaluate_small.outputs["predictions"],
        evaluation=evaluate_small.outputs["evaluation"],
        data=data,
        experiment=experiment.name,
        code=code(*sources(data)),
        card=experiment.card,
    )
    push = Pusher(
        bundle=check.outputs["bundle"],
        model_blessing=evaluate.outputs["blessing"],
        compressed_blessing=evaluate_small.outputs["blessing"],
        infra_blessing=check.outputs["blessing"],
        destination=places.destination,
        code=code("modelmill.components.push.executor"),
    )
    return [
        *(ingest, statistics, last, schema, validator, data_gate, preprocess, *augmented),
        *(train, baseline, evaluate, small, evaluate_small, check, push),
    ]
