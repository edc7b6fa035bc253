"""The command line: flags in, events and results out. Each command is a file of its own."""
