"""The course performed on the lab, the evening before: which exercises, running them, the page."""
