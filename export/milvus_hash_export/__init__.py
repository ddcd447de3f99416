"""The training half: networks, losses and methods in PyTorch; its only product is a bundle."""
