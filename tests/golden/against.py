"""`make golden`: compares all golden experiments of this checkout with another commit, or with the committed record.

    python -m tests.golden.against [COMMIT]

Both run here, with this checkout's environment, so that digests are compared, too. The records stay in build/golden.
"""

from __future__ import annotations

import argparse
import sys

from tests.golden import checkouts, compare, record

EXPECTED = record.EXPERIMENTS.with_name("expected.json")
FOLDER = checkouts.ROOT / "build" / "golden"


def main() -> None:
    """Run both, and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", nargs="?", help="without it: tests/golden/expected.json")
    commit = parser.parse_args().commit
    if commit:
        base = checkouts.export(commit, FOLDER / "base")
        expected = record.record(base)
        record.write(FOLDER / "base.json", expected)
    else:
        expected = record.read(EXPECTED)
    found = record.record(checkouts.ROOT)
    record.write(FOLDER / "found.json", found)
    print(compare.text(expected, found))
    sys.exit(bool(compare.differences(expected, found)))


if __name__ == "__main__":
    main()
