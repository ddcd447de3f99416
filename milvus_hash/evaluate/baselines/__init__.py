"""What learned codes are compared with at equal bits."""
