"""The `data` and `split` sections of an experiment, and the base of every other section."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Strict(BaseModel):
    """Base of all configuration: frozen, unknown keys refused, defaults held to the same rules."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    def canonical(self) -> str:
        """The same configuration always gives the same JSON bytes: it is part of cache keys."""
        import json

        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


class DataConfig(Strict):
    """What the examples are and where they lie; a modality adds its own fields."""

    modality: str = Field(description="What an example is: the name of a file in data/modalities.")
    path: str | None = Field(None, description="Folder of the data; a relative path is taken from the experiment file.")
    sample: str | None = Field(None, description="A data set that comes with modelmill, instead of `path`.")
    schema_file: str | None = Field(
        None, description="Curated TFDV schema (schema.pbtxt); inferred from the train split if absent."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.sample is None):
            raise ValueError("give either 'path' (a folder) or 'sample' (a data set that comes with modelmill)")
        return self


class SplitConfig(Strict):
    """Share of each split, in hash buckets of the examples' content: equal content, equal split."""

    train: int = Field(14, ge=1, le=1000)
    eval: int = Field(3, ge=1, le=1000)
    test: int = Field(3, ge=1, le=1000)
