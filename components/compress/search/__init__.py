"""The search for chains of methods under a budget."""
