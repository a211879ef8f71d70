"""Plug-ins, files, progress, formatting and child processes. Knows nothing of machine learning."""
