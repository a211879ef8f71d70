"""Patches of other libraries, and uses of names that are not part of their public API: all of them, in one place.

One module a library. Each has the range of versions with which it was tested; outside of it a patch that only saves
time is switched off with a warning, and what modelmill can't do without raises UpstreamVersionError (see guard.py). For
each function a test in tests/components/test_upstream*.py fails when the library no longer needs the patch, or when the
patch no longer works. docs/upstream.md has the table.

It lies in `components`, which `pipeline` imports too; `data` needs none. It imports nothing else of `components`, and
no library before a function needs it.
"""
