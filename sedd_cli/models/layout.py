"""File names of a checkpoint's folder."""

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""One of these; the first present is read."""
TOKENIZER = ("tokenizer.json", "vocab.json", "merges.txt")
