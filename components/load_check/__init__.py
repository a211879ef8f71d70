"""The node `check`: makes the bundle and tries it in a process without modelmill."""
