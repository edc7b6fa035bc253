"""A kit: a folder with everything that a lab needs without a network."""
