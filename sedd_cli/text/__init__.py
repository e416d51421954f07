"""Text: the tokenizer, documents, gaps (what is masked), and canvases (what the network sees)."""
