"""The base class of a modality, which says what an example is. A folder in data/modalities is one, found by name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from modelmill.data import policy, task
from modelmill.data.batch import Batch
from modelmill.data.config import DataConfig
from modelmill.data.core import plugin_base
from modelmill.data.core.plugin_base import Plugin
from modelmill.data.core.plugins import PlugInError
from modelmill.data.spec import Features, ModalityFacts, Spec, TensorSpec
from modelmill.data.splits import SplitConfig

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft

    from modelmill.data.profiling.draft import Asked, Draft
    from modelmill.data.profiling.fingerprints import Fingerprint

ConfigT = TypeVar("ConfigT", bound=DataConfig)
Described = tuple[tuple[TensorSpec, ...], ModalityFacts]


class Modality(Plugin[ConfigT]):
    """What an example is: how it is read, preprocessed, augmented, shown and served.

    TensorFlow is imported only inside the methods that use it. The methods with a body are optional.

    Attributes:
      Config: of the section `data`, a subclass of DataConfig.
      Policy: of the section `augment`.
      Facts: what the modality alone has to know of its examples, as `describe` finds it; readable without TensorFlow.
      PATTERN: which files of the data folder are examples: a glob, in which a folder above the file is the class.
      DESCRIBED: the raw features that get statistics (those of a CSV's further columns get them, too).
      INPUT: the raw feature that the served model takes.
      CLIENT: the dotted name of the reference client's module: it needs numpy and Pillow at most.
      BYTES: whether inputs are bytes, uint8: flatbuffers of integers alone take them as they are.
      SUFFIXES: ends of file names by which `modelmill new` recognizes the modality.
      PLACEHOLDERS: values of the required fields of Config that are good enough to read files with.
      NORMALISED: whether `preprocess` scales what `augment` takes by the train split, so that `decode`, which knows no
        statistics, gives it in other units.
      COMPACT: whether `show` gives small pictures, of which a page shows more than of players, words or rows.
      EXPLAINED: how pages show what decided an answer: by "pixels" (inputs [height, width, channels]), by "tokens" (ids
        that an embedding layer takes, 0 where padded), or, by default, not at all.
    """

    BASE_CONFIG = DataConfig
    KIND = "modality"
    PACKAGE = "modelmill.data.modalities"
    REQUIRED = ("Config", "Policy", "PATTERN", "DESCRIBED", "INPUT", "CLIENT")

    Config: type[ConfigT] = None  # type: ignore[assignment]  # required: the empty one of Plugin would not do
    Policy: ClassVar[type[policy.Policy]]
    Facts: ClassVar[type[ModalityFacts]] = ModalityFacts
    PATTERN: ClassVar[str]
    DESCRIBED: ClassVar[tuple[str, ...]]
    INPUT: ClassVar[str]
    CLIENT: ClassVar[str]
    BYTES: ClassVar[bool] = False
    SUFFIXES: ClassVar[tuple[str, ...]] = ()
    PLACEHOLDERS: ClassVar[Mapping[str, Any]] = {}
    NORMALISED: ClassVar[bool] = False
    COMPACT: ClassVar[bool] = False
    EXPLAINED: ClassVar[Literal["", "pixels", "tokens"]] = ""

    @abstractmethod
    def examples(self, path: str, contents: bytes, config: ConfigT) -> Iterator[Features]:
        """Yield the features of the raw examples in one file.

        The path, the label and the columns of the CSV are added to them, as far as data/readers/file_listing.py knows
        them, and the digest of the file as its CONTENT: where a file holds several examples, they bring a label and a
        content of their own. Raises BadExampleError.
        """

    def stream_pattern(self, config: ConfigT) -> str:
        """Return the glob of the files that `stream` reads; empty, as by default, where `examples` reads each file."""
        return ""

    def stream(self, path: str, name: str, config: ConfigT, split: SplitConfig) -> Iterator[Features]:
        """Yield the examples of a file that holds many, in place of `examples`, without reading it whole.

        Each has its own PATH, CONTENT and LABEL, and DECIDES if the split is by a column, by a group or by time.
        """
        raise PlugInError(f"modality {self.name}: stream_pattern names files, so it needs stream, too")

    def columns(self, config: ConfigT) -> dict[str, str]:
        """Return "int", "float" or "string" by feature that `stream` adds for statistics and slices."""
        return {}

    def seen_columns(self, config: ConfigT) -> tuple[str, ...]:
        """Return those of `columns` that the model sees: `check` looks whether one alone tells the label."""
        return ()

    @abstractmethod
    def preprocess(self, inputs: dict[str, tf.Tensor], config: ConfigT) -> dict[str, tf.Tensor]:
        """Preprocess a batch of raw features, in TFT's graph; the label is the task's."""

    def expected(self, config: ConfigT) -> Described | None:
        """Return what `describe` will, of the same shapes, before there are data; None if that can't be known.

        It says what a run will cost, and which families take such examples.
        """
        return None

    @abstractmethod
    def describe(self, output: tft.TFTransformOutput, example: bytes, config: ConfigT) -> Described:
        """Return the model's inputs and an instance of Facts, from Transform's output and one transformed example."""

    @abstractmethod
    def features(self, spec: Spec) -> dict[str, Any]:
        """Return how `parse_example` reads the transformed features that `from_transformed` takes."""

    @abstractmethod
    def from_transformed(self, features: dict[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """Return the model's inputs of spec.input [batch, *shape]; also used when serving.

        A modality with `to_model_inputs` returns drafts instead.
        """

    def to_model_inputs(self, drafts: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Turn drafts (texts, say), which are what is augmented, into inputs of spec.input [batch, *shape].

        A modality that defines it works on drafts in `from_transformed`, `augment`, `mix`, `encode`, `decode` and
        `show`. By default drafts are the inputs.
        """
        return drafts

    @property
    def has_drafts(self) -> bool:
        """Whether what is augmented is not yet what the model takes."""
        return type(self).to_model_inputs is not Modality.to_model_inputs

    @abstractmethod
    def augment(self, batch: Batch, seeds: tf.Tensor, policy: Any, spec: Spec) -> Batch:
        """Augment each example of a batch by itself, as `policy` says, whatever its mode.

        Every tensor is treated by its role in the spec, and no task is looked up: what says where something lies (a
        mask, boxes, points) moves with it. Return all tensors, those that stay, too.

        Args:
          batch: inputs, or the drafts of them, and targets, by their names in the spec.
          seeds: int64 [batch, 2]: the same seed gives the same example, whatever the batch.
          policy: fitted to the spec.
          spec: of the examples.
        """

    def mix(self, batch: Batch, seeds: tf.Tensor, policy: Any, spec: Spec) -> Batch:
        """Mix the examples of a batch, and their targets alike; for policies with `mixes()`.

        The arguments are those of `augment`; targets of the role "plain" are float32 [batch, ...], such as the shares
        of classes (data/batch.py mixes them).
        """
        raise PlugInError(f"modality {self.name}: {type(policy).__name__}.MIXING names fields, so it needs mix, too")

    @abstractmethod
    def encode(self, input: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the transformed features, strings, that hold one input [*shape]: the opposite of `parse`."""

    @abstractmethod
    def decode(self, content: bytes, config: ConfigT) -> tf.Tensor:
        """Return the model's input [*shape] of a raw example's content, as Transform makes it without statistics."""

    @abstractmethod
    def show(self, input: tf.Tensor, config: ConfigT) -> tuple[str, bytes]:
        """Return a model's input [*shape] for people: a media type, such as image/png or audio/wav, and a file of it.

        pipeline/report/examples/render.py says which types a page knows.
        """

    def show_raw(self, example: Mapping[str, Any], config: ConfigT) -> tuple[str, bytes]:
        """Return a raw example for people, of its features; by default it is shown as the model sees it."""
        return self.show(self.decode(example[self.INPUT], config), config)

    @abstractmethod
    def filename(self, content: bytes) -> str:
        """Return a file name, with the right suffix, for an example's raw content."""

    @abstractmethod
    def client_config(self, config: ConfigT, spec: Spec) -> dict[str, Any]:
        """Return what the reference client must know to turn a raw file into the flatbuffer's input (JSON)."""

    def client_files(self, spec: Spec) -> dict[str, str]:
        """Return, by file name, the texts of the files that the reference client reads, besides the model."""
        return {}

    def token_names(self, ids: Sequence[int], spec: Spec) -> list[str]:
        """Return what a page calls each token id of an input that is EXPLAINED by tokens."""
        return [f"id {token}" for token in ids]

    def fingerprint(self, example: Mapping[str, Any]) -> Fingerprint | None:
        """Return what `modelmill check` compares raw examples by, without TensorFlow; None: by their content alone."""
        return None

    def draft(self, asked: Asked) -> Draft | None:
        """Return the experiment that `modelmill new` writes for some data; None if it can't. Raises NoProjectError."""
        return None

    @classmethod
    def problems(cls) -> list[str]:
        """See Plugin."""
        is_sound = isinstance(cls.Facts, type) and issubclass(cls.Facts, ModalityFacts)
        return [] if is_sound else [f"Facts must be a subclass of ModalityFacts, found {cls.Facts!r}"]


PACKAGE = Modality.PACKAGE


def finish(drafts: tf.Tensor, spec: Spec) -> tf.Tensor:
    """What `from_transformed` gives, and augmentation changes, to the model's inputs [batch, *shape]."""
    return look_up(spec.modality).to_model_inputs(drafts, spec)


def normalise(inputs: tf.Tensor, spec: Spec) -> tf.Tensor:
    """Normalise inputs of spec.input by mean and deviation per channel of the train split, if the spec has them."""
    import tensorflow as tf

    if not spec.input.mean:
        return inputs
    return (tf.cast(inputs, tf.float32) - list(spec.input.mean)) / list(spec.input.stddev)


def look_up(name: str) -> Modality[Any]:
    """Return the modality called `name`. Raises UnknownNameError, and PlugInError for a broken one."""
    found: Modality[Any] = plugin_base.get(Modality, name)  # type: ignore[type-abstract]  # it gives one that is concrete
    return found


def pattern(config: DataConfig) -> str:
    """Which files of the data folder hold examples."""
    kind = look_up(config.modality)
    return kind.stream_pattern(config) or kind.PATTERN


def streams(config: DataConfig) -> bool:
    """Whether files hold many examples."""
    return bool(look_up(config.modality).stream_pattern(config))


def parse(serialized: tf.Tensor, spec: Spec) -> tuple[tf.Tensor, tf.Tensor]:
    """Transformed examples, serialized string [batch], to inputs [batch, *shape] and labels (of the task)."""
    import tensorflow as tf

    kind, asked = look_up(spec.modality), task.look_up(spec.task)
    found = tf.io.parse_example(serialized, {**kind.features(spec), **asked.features(spec)})
    return kind.from_transformed(found, spec), asked.label(found, spec)
