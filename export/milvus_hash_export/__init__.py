"""The training half: networks, losses and methods in PyTorch; its only product is a bundle."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as milvus_hash.runtime does: here it is imported, too
