"""Helpers for the exercises of a rehearsal, and its result."""
