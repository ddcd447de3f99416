"""How good codes are: metrics, the report over a manifest, pictures (numpy and matplotlib; no torch)."""
