"""What a compression method is. One file in components/compress/methods is one method, found by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from pydantic import Field, ValidationError

from components.models import family
from data import plugins
from data.config import Strict

if TYPE_CHECKING:
    import tf_keras

    from components.compress.context import Context

PACKAGE = "components.compress.methods"


class MethodConfig(Strict):
    """Base of every method's Config."""

    method: str = Field(description="The name of a file in components/compress/methods.")


class TunedConfig(MethodConfig):
    """Base of the Configs of methods that fine-tune the model that they were given; each has its own defaults."""

    epochs: int = Field(10, ge=1, description="Of fine-tuning.")
    learning_rate: float = Field(1e-3, gt=0, description="Of Adam at the start; it falls to zero by a cosine.")
    teacher: float = Field(
        0.0, ge=0, le=1, description="Of the trained model's answers in the loss; the labels have the rest."
    )
    temperature: float = Field(4.0, gt=0, description="Softens those answers, as in distill.")


class Method(Protocol):
    """What components/compress/methods/*.py offer. They import TensorFlow only inside their functions.

    A method that only changes the model has `tune`, one that only writes it down has `export`, and one whose model
    must be written in its own way has both.
    """

    Config: type[MethodConfig]
    # The methods of which one must stand directly before this one in a chain; empty if it can stand anywhere.
    FOLLOWS: tuple[str, ...]
    # The methods of which each must stand somewhere before this one.
    NEEDS: tuple[str, ...]
    # Methods that can't stand before this one, since it would undo them; and what to use instead.
    UNDOES: dict[str, str]
    # Whether it gives the flatbuffer, and so ends its chain. A chain that none ends is exported as float32.
    EXPORTS: bool

    def tune(self, model: tf_keras.Model, config: Any, context: Context) -> tf_keras.Model:
        """Changes a copy of the bare model and fine-tunes it."""

    def export(self, model: tf_keras.Model, config: Any, context: Context) -> bytes:
        """Writes the served model (normalisation, bare model, softmax) as a flatbuffer."""


def look_up(name: str) -> Method:
    """The method called `name`. Raises UnknownNameError, and PlugInError for a broken one of the user's."""
    needs = ("Config", "FOLLOWS", "NEEDS", "UNDOES", "EXPORTS")
    return cast(Method, plugins.load(PACKAGE, name, "method", needs))


def modules(step: dict[str, Any]) -> list[str]:
    """The plug-ins that a step runs: its method's file, and the family of a student."""
    student = step.get("student")
    return [f"{PACKAGE}.{step['method']}", *([f"{family.PACKAGE}.{student['family']}"] if student else [])]


def parse_chain(chain: Any) -> list[dict[str, Any]]:
    """A chain as written, [name or {name: settings}, ...], to [{"method": name, **all settings}, ...].

    Raises:
      ValueError: a method or setting that does not exist, or an order that makes no sense; names the step.
    """
    if not isinstance(chain, (list, tuple)) or not chain:
        raise ValueError(f"a chain is a list of methods, such as [prune, int8]; found {chain!r}")
    steps = [parse_step(step, place) for place, step in enumerate(chain, start=1)]
    for place in range(1, len(steps) + 1):
        _check_order([step["method"] for step in steps[:place]])
    return steps


def _check_order(names: list[str]) -> None:
    """Whether the last of the names may stand behind the others."""
    *earlier, name = names
    found, place = look_up(name), f"step {len(names)}: {name}"
    previous = earlier[-1] if earlier else None
    for before in earlier:
        if before in found.UNDOES:
            raise ValueError(f"{place} would undo {before}; use {found.UNDOES[before]}")
    if found.FOLLOWS and previous not in found.FOLLOWS:
        wanted = " or ".join(found.FOLLOWS)
        raise ValueError(f"{place} must directly follow {wanted}, found {previous or 'nothing'} before it")
    for needed in found.NEEDS:
        if needed not in earlier:
            raise ValueError(f"{place} needs {needed} before it, found only {', '.join(earlier)}")
    if previous and look_up(previous).EXPORTS:
        raise ValueError(f"{place} comes after {previous}, which gives the flatbuffer and must be the last")
    if name in earlier:
        raise ValueError(f"{place} stands twice in one chain")


def parse_step(step: Any, place: int) -> dict[str, Any]:
    """One step of a chain, with its defaults filled in."""
    if isinstance(step, str):
        step = {"method": step}
    elif isinstance(step, dict) and len(step) == 1 and "method" not in step:
        ((name, settings),) = step.items()
        if settings is not None and not isinstance(settings, dict):
            raise ValueError(f"step {place}: the settings of {name} are key: value pairs, found {settings!r}")
        step = {"method": name, **(settings or {})}
    if not isinstance(step, dict) or not isinstance(step.get("method"), str):
        raise ValueError(f"step {place}: a method is a name or {{name: settings}}, found {step!r}")
    name = step["method"]
    try:
        return look_up(name).Config.model_validate(step).model_dump(mode="json")
    except plugins.UnknownNameError as error:
        raise ValueError(f"step {place}: {error}") from error
    except ValidationError as error:
        found = error.errors()[0]
        key = ".".join(str(part) for part in found["loc"])
        if found["type"] == "extra_forbidden":
            allowed = set(look_up(name).Config.model_fields) - {"method"}
            raise ValueError(f"step {place}: {plugins.unknown(f'setting of {name}', key, allowed)}") from error
        raise ValueError(f"step {place}: {name}.{key}: found {found['input']!r}; {found['msg']}") from error


def label(chain: Any) -> str:
    """A chain's short name, such as 'prune + int8'; the empty chain is 'float32'."""
    return " + ".join(step["method"] for step in chain) or "float32"
