"""Errors of compiling for a platform, and of talking to its server."""

from __future__ import annotations


class DeployError(ValueError):
    """What was asked for can't be compiled or submitted; the message says what to give instead."""


class ServerError(RuntimeError):
    """The server refused, or can't be reached; the message says what and where."""


class PassingError(ServerError):
    """What may be better a moment later."""
