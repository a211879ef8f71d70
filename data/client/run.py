"""Reference client of a pushed model: raw files in, answers out.

    python client.py FILE...

prints a JSON object a line for each example: {"file", "label", "probabilities": {label: probability}}; of a task whose
answer is not one of several classes, without a label, and manifest.json says what the answer is called and what it
means. What of it depends on the model lies beside this file: client/modality.py (its head says which packages it needs
besides numpy and ai-edge-litert) and client/task.py.
Exit codes: 1, the folder is damaged; 2, a file is not what the model takes.
"""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the package `client` beside this file."""
    here = os.path.dirname(os.path.realpath(__file__))
    # Else a json.py or a numpy.py that lies here would be imported in place of the real one.
    sys.path[:] = [place for place in sys.path if os.path.realpath(place) != here]
    from importlib import machinery, util

    class Source(machinery.SourceFileLoader):
        """Neither reads nor writes __pycache__: what runs are the files that manifest.json lists."""

        def get_code(self, fullname: str) -> object:  # type: ignore[override]
            path = self.get_filename(fullname)
            return self.source_to_code(self.get_data(path), path)

    folder = os.path.join(here, "client")

    def hook(place: str) -> machinery.FileFinder:
        if place != folder:
            raise ImportError
        return machinery.FileFinder(place, (Source, [".py"]))

    sys.path_hooks.insert(0, hook)
    start = os.path.join(folder, "__init__.py")
    spec = util.spec_from_file_location("client", start, loader=Source("client", start))
    assert spec
    sys.modules["client"] = util.module_from_spec(spec)
    Source("client", start).exec_module(sys.modules["client"])
    return int(sys.modules["client"].main(here))


if __name__ == "__main__":
    sys.exit(main())
