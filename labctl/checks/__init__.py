"""Run tests on nodes and report the results."""
