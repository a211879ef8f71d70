"""The sections of the report page, one module a section."""
