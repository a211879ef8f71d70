"""What a model family is. One file in components/models/families is one family, found by its name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import Field

from modelmill.components.models import networks
from modelmill.components.models.networks import Built, Networks
from modelmill.data import specs
from modelmill.data.config import DataConfig
from modelmill.data.core import plugin_base, plugins
from modelmill.data.core.config import Strict
from modelmill.data.spec import Spec

if TYPE_CHECKING:
    import tf_keras
    from numpy.typing import NDArray

PACKAGE = "modelmill.components.models.families"
Arrays = Mapping[str, "NDArray[Any]"]
Call = Callable[[str, Arrays], Arrays]
SignatureCall = tuple[str, Arrays]
# Of a model and an epoch: what the learning rate of each of model.layers is multiplied by; 0 freezes a layer.
Factors = Callable[["tf_keras.Model", int], list[float]]


class FamilyConfig(Strict):
    """Base of every family's Config: what all of them offer."""

    family: str = Field(description="The name of a file in components/models/families.")
    dropout: float = Field(0, ge=0, lt=1, description="Share of the features dropped before the head.")
    l1: float = Field(0, ge=0, description="L1 penalty on every kernel.")
    l2: float = Field(0, ge=0, description="L2 penalty on every kernel.")

    def files(self) -> dict[str, str]:
        """The fields that name files from which training begins (paths, PACKAGE:FILE, gs://), and what they name.

        A changed file trains anew: their content counts in the cache's key.
        """
        return {}

    def look(self, data: DataConfig) -> None:
        """Looks at these files before anything runs, without TensorFlow.

        Raises:
          ValueError, FileNotFoundError: one is not what it should be, or does not go with the data.
        """


ConfigT = TypeVar("ConfigT", bound=FamilyConfig)


class Family(plugin_base.Plugin[ConfigT]):
    """A model family: how its network is built of its Config. It imports TensorFlow within its methods only.

    A family that begins with what was trained before has `settle`, `pretrain` and `learning_rate_factors`. `build` must
    do without files: a model is built again, and gets its weights, where they may not be.

    Attributes:
      MODALITIES: the modalities whose examples it takes.
      SERVED: the networks that are exported, and so compressed; the first gives what the task makes an answer of.
    """

    KIND = "family"
    PACKAGE = PACKAGE
    REQUIRED = ("MODALITIES",)
    BASE_CONFIG = FamilyConfig
    MODALITIES: ClassVar[tuple[str, ...]]
    SERVED: ClassVar[tuple[str, ...]] = (networks.MAIN,)

    @abstractmethod
    def build(self, config: ConfigT, spec: Spec) -> Built:
        """Build a Functional model of spec.input, normalised [batch, *shape], to what the task learns [batch, size].

        A family of several networks, such as a generator and a discriminator, returns them by their names; those that
        have no part in the answer need no head of the task.
        """

    def check(self, config: ConfigT, spec: Spec) -> None:
        """Refuse what can't be built; by default examples of any shape are taken.

        It is called when an experiment is read, with what is known without data, and again before a model is built. It
        imports no TensorFlow.

        Raises:
          ValueError: names the field, what was found and what is wanted.
        """

    def settle(self, config: ConfigT) -> ConfigT:
        """Return the Config with what its files say of the architecture; by default as it is."""
        return config

    def pretrain(self, networks: Networks, config: ConfigT) -> None:
        """Give networks that were built the weights to begin with; by default they keep their random ones."""

    def signatures(self, config: ConfigT, networks: Networks, spec: Spec, batch: int | None) -> Mapping[str, Any]:
        """Return further functions of the served networks, besides `serving_default`; by default none.

        They are exported with the model, in the SavedModel and in the flatbuffer, and share its weights: a decoding
        step with a cache, say. `networks` may be other ones than `build` made, with the same names of layers.

        Args:
          config: of the family.
          networks: by their names.
          spec: of the examples.
          batch: the size of the batch, 1 for a flatbuffer; None for any.

        Returns:
          tf.functions with an input signature, that return outputs by their names, by the names of their signatures.
        """
        return {}

    def calls(self, config: ConfigT, spec: Spec, inputs: NDArray[Any], call: Call) -> Iterator[SignatureCall]:
        """Yield calls of the further signatures for an example: they give the ranges of int8. By default none.

        Args:
          config: of the family.
          spec: of the examples.
          inputs: of the model, as spec.input says, without the batch.
          call: calls a signature of the float model: call(name, inputs) gives its outputs.

        Yields:
          The name of a signature, and its inputs by their names, without the batch.
        """
        yield from ()

    @classmethod
    def has_signatures(cls) -> bool:
        """Return whether the family adds signatures."""
        return cls.signatures is not Family.signatures

    def learning_rate_factors(self, config: ConfigT) -> Factors | None:
        """Return by what each layer's learning rate is multiplied; by default all layers learn at one rate."""
        return None

    @classmethod
    def problems(cls) -> list[str]:
        """See Plugin."""
        found = getattr(cls, "MODALITIES", ())
        is_sound = isinstance(found, tuple)
        return [] if is_sound else [f'MODALITIES must be a tuple of names, such as ("image",), found {found!r}']


def look_up(name: str) -> Family[Any]:
    """Return the family called `name`. Raises UnknownNameError, and PlugInError for a broken one of the user's."""
    return plugin_base.get(Family, name)  # type: ignore[type-abstract]


def taking(name: str) -> list[str]:
    """The families that take examples of a modality."""
    return [one for one in plugins.names(PACKAGE) if name in look_up(one).MODALITIES]


def build(config: FamilyConfig, spec: Spec) -> tf_keras.Model:
    """Build the bare model of a family of one network; see `build_networks`."""
    return networks.only(build_networks(config, spec))


def build_networks(config: FamilyConfig, spec: Spec) -> Networks:
    """Build the networks of a family, with the penalties that any family can have. Raises ValueError: see check."""
    check(config, spec)
    built = networks.named(look_up(config.family).build(config, spec))
    if not (config.l1 or config.l2):
        return built
    return {name: _regularized(network, config.l1, config.l2) for name, network in built.items()}


def check(config: FamilyConfig, spec: Spec) -> None:
    """Raises ValueError if the family can't take such examples with these settings."""
    look_up(config.family).check(config, spec)


def foresee(config: FamilyConfig, data: DataConfig) -> None:
    """As `check`, as far as it is known without any data; without TensorFlow."""
    # What is read from files is not known before they have been fetched: a family that needs it looks by itself.
    spec = None if data.outside() else specs.expected(data)
    if spec is not None:
        check(config, spec)


def settle(config: FamilyConfig) -> FamilyConfig:
    """The Config with all that building the model needs, read from the files that it names."""
    settled: FamilyConfig = look_up(config.family).settle(config)
    return settled


def begin(config: FamilyConfig, spec: Spec) -> Networks:
    """Build the networks and give them the weights to begin with; `config` is settled."""
    built = build_networks(config, spec)
    look_up(config.family).pretrain(built, config)
    return built


def factors(config: FamilyConfig) -> Factors | None:
    """By what the learning rate of each layer is multiplied, if the family has a say in it."""
    return look_up(config.family).learning_rate_factors(config)


def inputs(spec: Spec) -> tf_keras.KerasTensor:
    """Begins a model: what the loops, and the served model, hand to it."""
    import tf_keras

    return tf_keras.Input(spec.input.shape, dtype=spec.input.model_dtype)


def head(features: tf_keras.KerasTensor, config: FamilyConfig, spec: Spec) -> tf_keras.KerasTensor:
    """Ends a model: dropout, then the numbers that the task wants (logits), in float32 whatever it computes in."""
    import tf_keras

    if config.dropout:
        features = tf_keras.layers.Dropout(config.dropout)(features)
    return tf_keras.layers.Dense(spec.output_size, name="logits", dtype="float32")(features)


def _regularized(model: tf_keras.Model, l1: float, l2: float) -> tf_keras.Model:
    """A copy of a fresh model whose kernels are penalised; regularizers can't be added to built layers."""
    import tf_keras

    def copy(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        config = layer.get_config()
        if "kernel_regularizer" in config:
            config["kernel_regularizer"] = tf_keras.regularizers.L1L2(l1, l2)
        return layer.__class__.from_config(config)

    return tf_keras.models.clone_model(model, clone_function=copy)
