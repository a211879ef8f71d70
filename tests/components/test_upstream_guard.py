"""The guards of components/upstream: what an untested version of a library switches off, and what it stops."""

from __future__ import annotations

import logging

import pytest

from modelmill.components.upstream import guard

PACKAGING = guard.Library("packaging", "<99")


def test_a_tested_version_passes_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    guard.require(PACKAGING, "packaging._name")
    assert guard.applies(PACKAGING, "a patch", "nothing is slower")
    assert not caplog.records


@pytest.mark.parametrize(("version", "passes"), [("2.21.0", True), ("2.21.3rc1", True), ("2.22.0", False)])
def test_the_range_is_that_of_pip(version: str, passes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "installed", lambda distribution: version)
    assert guard.Library("tf_keras", "==2.21.*").is_tested() is passes


def test_an_untested_version_switches_a_patch_off_and_warns_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "installed", lambda distribution: "99.0")
    with caplog.at_level(logging.WARNING):
        assert not guard.applies(PACKAGING, "keeping parsed options", "nodes take longer")
        assert not guard.applies(PACKAGING, "keeping parsed options", "nodes take longer")
    (record,) = caplog.records
    for part in ("keeping parsed options", "packaging<99", "99.0", "nodes take longer"):
        assert part in record.getMessage()


@pytest.mark.parametrize(("version", "told"), [("99.0", "99.0 is installed"), (None, "no version is installed")])
def test_an_untested_version_stops_the_use_of_a_private_name(
    version: str | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "installed", lambda distribution: version)
    with pytest.raises(guard.UpstreamVersionError) as caught:
        guard.require(PACKAGING, "packaging._name")
    for part in (told, "packaging._name", "pip install 'packaging<99'"):
        assert part in str(caught.value)


def test_the_version_is_that_of_the_installed_distribution() -> None:
    assert guard.installed("pytest") == pytest.__version__
    assert guard.installed("no-such-distribution") is None
