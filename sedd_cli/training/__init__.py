"""Making checkpoints: recipes, corpora, objectives, optimisers, and a loop that loses nothing."""
