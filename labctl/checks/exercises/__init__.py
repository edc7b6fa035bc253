"""What an exercise of the course works with, and the result of a rehearsal."""
