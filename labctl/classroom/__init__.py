"""A class: a lab for each student, on one or several hosts."""
