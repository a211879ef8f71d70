"""Clients of the servers that run compiled pipelines, behind one protocol; nothing here knows the compiler."""
