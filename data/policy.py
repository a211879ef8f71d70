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
        """Return the policy with what it must know of the examples; for most modalities that is nothing.

        Raises:
          ValueError: a change can't be applied to a target, by its role.
        """
        for target in spec.targets:
            for change in self.active():
                if target.role in self.excluded_roles(change):
                    raise ValueError(
                        f"augment.{change}: can't be applied to the target {target.name}, which has the role "
                        f"{target.role}; remove it, or set it to 0"
                    )
        return self

    def excluded_roles(self, change: str) -> tuple[str, ...]:
        """Return the roles of targets that a change, a field of the policy, can't be applied to.

        By default no change moves a target, and only targets of the role "plain" are mixed.
        """
        return ("mask", "boxes", "points", "tokens", "time") if change in self.MIXING else ("mask", "boxes", "points")

    def active(self) -> tuple[str, ...]:
        """Return the fields that change or mix examples, as the policy is set."""
        own = [name for name in type(self).model_fields if name not in Policy.model_fields]
        mixing = [name for name in own if name in self.MIXING and self.mixes()]
        single = [name for name in own if name not in self.MIXING and self.changes()]
        return tuple(name for name in (*single, *mixing) if getattr(self, name))

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
