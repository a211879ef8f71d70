"""The nodes of the chain, one folder a node, and what they share: artifact types, models, gates.

Nodes do not import one another. It may import `data`, never `pipeline`.
"""
