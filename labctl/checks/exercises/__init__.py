"""What the exercises of a rehearsal use, and the result of a rehearsal."""
