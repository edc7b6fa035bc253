"""Check whether this computer can run a lab, and what to do if not."""
