"""Media: a path or bytes becomes the array that a graph takes; one module a modality."""
