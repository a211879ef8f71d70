"""The command line of a client: a JSON line for each example."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from . import parts
from .manifest import DamagedError
from .model import Model


def main(folder: str | Path, arguments: list[str] | None = None) -> int:
    """Answer to files with the model in a folder; return the exit code: 1 if it is damaged, 2 if a file is bad."""
    modality: parts.ModalityPart = parts.load("modality")
    parser = argparse.ArgumentParser(description="Answers to raw files with the model in this folder.")
    parser.add_argument("files", nargs="+", metavar="FILE", help=modality.FILES)
    files = parser.parse_args(arguments).files
    status = 0
    try:
        model = Model(folder)
        for file in files:
            try:
                for answer in model.predict(file):
                    print(json.dumps(answer, ensure_ascii=False), flush=True)
            except modality.ERROR as error:
                if isinstance(error, DamagedError):
                    raise
                print(error, file=sys.stderr)
                status = 2
    except DamagedError as error:
        print(error, file=sys.stderr)
        return 1
    return status
