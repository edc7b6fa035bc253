"""How events, results and errors are shown."""
