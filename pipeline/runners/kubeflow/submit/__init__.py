"""Clients of the servers: submit, wait, schedule."""
