"""Looks at data before anything runs: what it is, label errors, near duplicates, drafts of experiments."""
