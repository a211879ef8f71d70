"""`python -m modelmill` is `modelmill`.

`-m` puts the working directory first on the search path; `python -P -m modelmill` does not, and finds no `modelmill/`
of that directory either.
"""

import contextlib
import os
import sys

if __name__ == "__main__":
    # A `random.py` of the working directory must not be imported in place of Python's.
    with contextlib.suppress(FileNotFoundError):  # the working directory was removed
        if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
            del sys.path[0]
    from modelmill.pipeline.cli.app import main

    main()
