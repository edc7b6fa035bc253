"""Run tests on nodes and report what they found."""
