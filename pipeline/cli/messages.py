"""What commands tell on standard error when they end without having done their work."""

from __future__ import annotations

from typing import NoReturn

import typer


def stop(code: int, message: str) -> NoReturn:
    """Print a message in red and end the command: exit code 2 is for what was asked wrongly, 1 for what failed."""
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise SystemExit(code)
