"""The mathematics of score-entropy discrete diffusion, in pure torch: no files, no tokenizers, no screens."""
