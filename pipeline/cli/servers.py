"""Options with which commands reach the server of a platform."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from modelmill.pipeline.cli.messages import stop

if TYPE_CHECKING:
    from modelmill.pipeline.runners.kubeflow.clients.client_protocol import ServerOptions
    from modelmill.pipeline.runners.kubeflow.platform_base import Platform


def platform(given: str) -> Platform:
    from modelmill.data.core import plugins
    from modelmill.pipeline.runners.kubeflow import platform_base

    known = platform_base.names()
    if given not in known:
        stop(2, f"--target: {plugins.unknown('target', given, known)}")
    try:
        return platform_base.look_up(given)
    except plugins.PlugInError as error:
        stop(2, str(error))


def check_options(platform: Platform, options: ServerOptions) -> None:
    """End the program with 2 where an option is missing, or is another platform's."""
    from dataclasses import fields

    from modelmill.pipeline.runners.kubeflow import platform_base
    from modelmill.pipeline.runners.kubeflow.errors import DeployError

    flags = {one.name: f"--{one.name.replace('_', '-')}" for one in fields(options)} | {"ca": "--ca-file"}
    for name, flag in flags.items():
        if getattr(options, name) and name not in platform.OPTIONS:
            takers = [one for one in platform_base.names() if name in platform_base.look_up(one).OPTIONS]
            stop(2, f"{flag}: it is for --target {' or '.join(takers)} only; leave it out")
    try:
        platform.check_options(options)
    except DeployError as error:
        stop(2, str(error))


def token(file: Path | None, variable: str) -> str | None:
    """Not an option of its own: command lines are seen by everybody on a machine."""
    if file is None:
        return os.environ.get(variable)
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        stop(2, f"--token-file: {error}")
