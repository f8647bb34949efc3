"""The `eabs` command: one file a subcommand, above every other room."""
