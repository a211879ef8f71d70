"""Fixtures and helpers to run single nodes in tests; the pytest plug-in of modelmill."""
