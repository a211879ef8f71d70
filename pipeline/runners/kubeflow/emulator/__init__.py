"""Runs the tasks of a compiled package on this machine as the launchers of both targets do."""
