"""Compiles an experiment to a pipeline specification and a platform specification."""
