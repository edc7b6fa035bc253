"""Programs for developers of labctl, which are not installed with it."""
