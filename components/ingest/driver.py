"""What makes ExampleGen read again: TFX looks at sizes and times of files alone."""

from __future__ import annotations

import hashlib
from typing import Any

from tfx.components.example_gen import driver, input_processor

from modelmill.components.ingest.config import settings
from modelmill.data import modality
from modelmill.data.config import DataConfig
from modelmill.data.readers import file_listing
from modelmill.data.readers.labels_csv import BadDataError
from modelmill.data.splits import SplitConfig


class Driver(driver.FileBasedDriver):
    """Puts names, labels and columns into the fingerprint: a file that was moved to another class has another label."""

    def resolve_exec_properties(
        self, exec_properties: dict[str, Any], pipeline_info: Any, component_info: Any
    ) -> dict[str, Any]:
        """As TFX's; the fingerprint is ours."""
        self._settings = settings(exec_properties)
        return super().resolve_exec_properties(exec_properties, pipeline_info, component_info)

    def get_input_processor(
        self, splits: Any, range_config: Any = None, input_base_uri: str | None = None
    ) -> input_processor.FileBasedInputProcessor:
        """What TFX asks for the fingerprint."""
        return _Input(str(input_base_uri), splits, *self._settings)


class _Input(input_processor.FileBasedInputProcessor):
    def __init__(self, root: str, splits: Any, data: DataConfig, split: SplitConfig) -> None:
        super().__init__(root, splits)
        self._root, self._data, self._split = root, data, split

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        return 0, None  # there are none; TFX would look for them among names, and stumble over one that is not UTF-8

    def get_input_fingerprint(self, span: int, version: int | None = None) -> str:
        pattern = modality.pattern(self._data)
        try:
            found = file_listing.list_files(self._root, pattern, self._data, self._split)
        except (BadDataError, OSError) as error:
            # The executor meets it again, and says so: what a driver raises leaves an execution that never ends.
            return "unusable " + hashlib.sha256(str(error).encode(errors="replace")).hexdigest()
        return found.fingerprint(self._root)
