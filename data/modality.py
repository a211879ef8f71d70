"""What a modality is. One folder in data/modalities is one modality, found by its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, cast

from modelmill.data import task
from modelmill.data.config import DataConfig
from modelmill.data.core import plugins
from modelmill.data.policy import Policy
from modelmill.data.spec import Features, Spec

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft

PACKAGE = "modelmill.data.modalities"


class Modality(Protocol):
    """What data/modalities/*/modality.py offer. They import TensorFlow only inside the functions that use it."""

    # The two typed configurations: of the `data` and of the `augment` section.
    Config: type[DataConfig]
    Policy: type[Policy]
    # Which files of the data folder are examples: a glob, in which a folder above the file is the class. And which of
    # the raw features get statistics (those of a CSV's further columns get them, too).
    PATTERN: str
    DESCRIBED: tuple[str, ...]
    # The one feature that the served model takes.
    INPUT: str
    # The reference client's part of this modality: a source file that needs numpy and Pillow at most.
    CLIENT: str

    def examples(self, path: str, contents: bytes, config: Any) -> Iterator[Features]:
        """The features of the raw examples in one file.

        The path, the label and the columns of the CSV are added to them, as far as data/readers/file_listing.py knows
        them, and the digest of the file as its CONTENT: where a file holds several examples, they bring a label and a
        content of their own. Raises BadExampleError.
        """

    # A modality whose inputs are bytes, uint8, says BYTES = True: flatbuffers of integers alone take them as they are.

    # A modality whose files hold many examples offers two functions more, and its Config a field `files`, the pattern
    # (where that may be empty, a file is an example if it is):
    #   stream(path, name, config, split) -> Iterator[Features]: in place of `examples`, without reading a file whole;
    #     each with its own PATH, CONTENT and LABEL, and DECIDES if the split is by a column, by a group or by time.
    #   columns(config) -> {feature: "int", "float" or "string"}: features that get statistics, and can make slices.

    def preprocess(self, inputs: dict[str, tf.Tensor], config: Any) -> dict[str, tf.Tensor]:
        """The TFT preprocessing function: raw features to transformed ones, batched. The label is the task's."""

    # A modality may offer one function more:
    #   expected(config) -> Spec: of the same shape as `spec` gives, before there are data: for what a run will cost.

    def spec(self, output: tft.TFTransformOutput, example: bytes, config: Any) -> Spec:
        """What a model needs to know, from Transform's output and one transformed train example, but for the labels."""

    def features(self, spec: Spec) -> dict[str, Any]:
        """How `parse_example` is to read the transformed features that `from_transformed` takes."""

    def from_transformed(self, features: dict[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """Transformed features to the model's inputs [batch, *spec.shape] of spec.dtype; also used when serving."""

    # A modality whose inputs are made of what is augmented may offer one function more. Then `parse` and
    # `from_transformed` give drafts (texts, say), and `augment`, `mix`, `encode`, `decode` and `show` take drafts.
    #   finish(drafts, spec) -> inputs [batch, *spec.shape] of spec.dtype.

    def augment(self, inputs: tf.Tensor, seeds: tf.Tensor, policy: Any) -> tf.Tensor:
        """Augments a batch; seeds int64 [batch, 2]: the same seed gives the same example, whatever the batch.

        Does what `policy` says of each example by itself, whatever its mode.
        """

    def mix(self, inputs: tf.Tensor, labels: tf.Tensor, seeds: tf.Tensor, policy: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Mixes the examples of a batch and their labels, float32 [batch, classes]; for policies with `mixes()`."""

    def encode(self, input: tf.Tensor) -> dict[str, tf.Tensor]:
        """The opposite of `parse` for one input [*spec.shape]: the transformed features, strings, that hold it."""

    def decode(self, content: bytes, config: Any) -> tf.Tensor:
        """A raw example's content to the model's input [*shape], as Transform makes it but without its statistics."""

    def show(self, input: tf.Tensor, config: Any) -> tuple[str, bytes]:
        """A model's input [*shape] for people: a media type, such as image/png or audio/wav, and a file of it.

        report/examples/render.py says which types a page knows. A modality whose raw examples say more than the
        model's inputs (words, a row) may also have `show_raw(example, config)`, which takes a raw example's features.
        """

    def filename(self, content: bytes) -> str:
        """A file name, with the right suffix, for an example's raw content."""

    def client_config(self, config: Any, spec: Spec) -> dict[str, Any]:
        """What the reference client must know to turn a raw file into the flatbuffer's input (JSON)."""


def finish(drafts: tf.Tensor, spec: Spec) -> tf.Tensor:
    """What `from_transformed` gives, and augmentation changes, to the model's inputs [batch, *spec.shape]."""
    kind = look_up(spec.modality)
    return kind.finish(drafts, spec) if hasattr(kind, "finish") else drafts


def normalise(inputs: tf.Tensor, spec: Spec) -> tf.Tensor:
    """Normalise inputs of spec.dtype by mean and deviation per channel of the train split, if the spec has them."""
    import tensorflow as tf

    if not spec.mean:
        return inputs
    return (tf.cast(inputs, tf.float32) - list(spec.mean)) / list(spec.stddev)


def look_up(name: str) -> Modality:
    """The modality called `name`. Raises UnknownNameError."""
    return cast(Modality, plugins.load(PACKAGE, name, "modality"))


def pattern(config: DataConfig) -> str:
    """Which files of the data folder hold examples."""
    return str(getattr(config, "files", "")) or look_up(config.modality).PATTERN


def streams(config: DataConfig) -> bool:
    """Whether files hold many examples."""
    return hasattr(look_up(config.modality), "stream") and bool(getattr(config, "files", ""))


def describe(transform_graph: str, examples: list[str], config: DataConfig) -> Spec:
    """What a model needs to know of its examples: what the modality tells, and the labels, which are the task's.

    Args:
      transform_graph: of Transform.
      examples: the files of its train split.
      config: the section `data`.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    output = tft.TFTransformOutput(transform_graph)
    first = next(iter(tf.data.TFRecordDataset(examples, compression_type="GZIP"))).numpy()
    spec = look_up(config.modality).spec(output, first, config)
    asked = task.look_up(config.task).spec(output, first, config.task_settings)
    return Spec.model_validate({**spec.model_dump(), "task": config.task, **asked})


def parse(serialized: tf.Tensor, spec: Spec) -> tuple[tf.Tensor, tf.Tensor]:
    """Transformed examples, serialized string [batch], to inputs [batch, *spec.shape] and labels (of the task)."""
    import tensorflow as tf

    kind, asked = look_up(spec.modality), task.look_up(spec.task)
    found = tf.io.parse_example(serialized, {**kind.features(spec), **asked.features(spec)})
    return kind.from_transformed(found, spec), asked.label(found, spec)
