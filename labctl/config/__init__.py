"""lab.yaml and flags, validated and turned into values."""
