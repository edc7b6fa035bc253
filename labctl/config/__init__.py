"""What a lab should be: lab.yaml and flags, checked and turned into values."""
