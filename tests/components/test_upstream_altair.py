"""Altair holds each part of a chart against its schema; with the patch it does not."""

from __future__ import annotations

import altair as alt
import pytest

from modelmill.components.upstream import altair_internals, guard


def test_altair_checks_each_part_of_a_chart() -> None:
    with pytest.raises(alt.utils.schemapi.SchemaValidationError):
        alt.Axis(labelAngle="steep")
    with altair_internals.unchecked():
        assert alt.Axis(labelAngle="steep").labelAngle == "steep"
    with pytest.raises(alt.utils.schemapi.SchemaValidationError):
        alt.Axis(labelAngle="steep")


def test_an_untested_altair_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "installed", lambda distribution: "7.0.0")
    with altair_internals.unchecked(), pytest.raises(alt.utils.schemapi.SchemaValidationError):
        alt.Axis(labelAngle="steep")
