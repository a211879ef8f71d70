"""The nodes from `statistics` to `data-gate`: TFDV's statistics, schema, anomalies and drift."""
