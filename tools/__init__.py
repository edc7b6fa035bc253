"""Programs for those who work on labctl; none of them is installed with it."""
