"""The commands of `modelmill`. Nothing heavy is imported before a command needs it."""
