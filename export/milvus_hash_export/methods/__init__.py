"""Methods: a small class each, with networks and a training step."""
