"""Text: the tokenizer, and canvases (what the network sees)."""
