"""How good a checkpoint is, and how likely it finds a text."""
