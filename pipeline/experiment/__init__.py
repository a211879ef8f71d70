"""The experiment file: its typed sections, how it is read and checked, and its JSON Schema."""
