"""The runtime that all reference clients share: it is pushed with each model and runs without modelmill.

A bundle holds a copy of this folder, `client/`, in which `modality.py` is the modality's own client.py and `task.py`
the task's, where it has one. So nothing here imports anything of modelmill, and imports among these files are relative.
"""

from .cli import main
from .manifest import DamagedError
from .model import Model

__all__ = ["DamagedError", "Model", "main"]
