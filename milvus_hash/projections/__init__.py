"""Linear maps from float vectors to components whose signs are codes: each a file, in plain numpy."""
