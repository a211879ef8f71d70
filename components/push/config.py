"""The `push` section of an experiment."""

from __future__ import annotations

from pydantic import Field

from modelmill.data.core.config import Strict


class PushConfig(Strict):
    """Where the versions go."""

    destination: str | None = Field(
        None, description="Folder that takes a sub-folder per version; ROOT/EXPERIMENT/pushed if absent."
    )
