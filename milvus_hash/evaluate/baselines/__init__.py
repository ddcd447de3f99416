"""What learned codes are compared with at equal bits: each a file, in plain numpy."""
