"""The base of every modality's augmentation policy."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field

from modelmill.data.core.config import Strict
from modelmill.data.spec import Spec


class Policy(Strict):
    """An augmentation policy; a modality adds its own fields, with defaults that change nothing."""

    # Fields that mix the examples of a batch: the others change each example by itself.
    MIXING: ClassVar[tuple[str, ...]] = ()

    strength: float = Field(1.0, ge=0, le=1, description="Scales every range of the policy; 0 changes nothing.")
    mode: Literal["online", "materialized"] = Field(
        "online", description="online: drawn anew in each epoch. materialized: written down once, as `copies`."
    )
    copies: int = Field(4, ge=1, le=1000, description="If materialized: how often each train example is written.")

    def per_example(self) -> Self:
        """The part that changes each example by itself."""
        return type(self).model_validate({**self.model_dump(exclude=set(self.MIXING)), **_APPLIED})

    def online(self) -> Self:
        """What is done while training: all of it, or, of a policy that is materialized, the mixing."""
        if self.mode == "online":
            return self.model_copy(update=_APPLIED)
        return type(self).model_validate(self.model_dump(include={"strength", *self.MIXING}))

    def fitted(self, spec: Spec) -> Self:
        """With what it must know of the examples; for most modalities that is nothing."""
        return self

    def mixes(self) -> bool:
        """Whether the examples of a batch are mixed, so that labels become shares of classes."""
        return bool(self.strength) and any(getattr(self, name) for name in self.MIXING)

    def materializes(self) -> bool:
        """Whether there is anything to be written down before training."""
        return self.mode == "materialized" and self.changes()

    def outside(self) -> dict[str, str]:
        """The fields that name files which it takes (see data/core/fetch/resolve.py), and what they name.

        A changed file augments anew: their content counts in the cache's keys.
        """
        return {}

    def look(self) -> None:
        """Looks at these files before anything runs, without TensorFlow.

        Raises:
          ValueError, FileNotFoundError: one is not what it should be.
        """

    def changes(self) -> bool:
        """Whether it changes any example by itself."""
        ranges = self.model_dump(exclude={"strength", "mode", "copies", *self.MIXING})
        return bool(self.strength) and any(ranges.values())


# How often and when a policy is applied makes no difference to what it does.
_APPLIED = {name: Policy.model_fields[name].default for name in ("mode", "copies")}
