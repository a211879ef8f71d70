"""Runs trials of chains in child processes, measures and stores them."""
