"""Networks: image and text backbones and the hash layer on top of them."""
