"""Looking over this machine before a lab comes up: what is missing, and what to do about it."""
