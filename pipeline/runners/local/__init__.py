"""Runs a pipeline on this machine: locks, console, logs, retention of old runs."""
