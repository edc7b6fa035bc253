"""The languages of the command line."""
