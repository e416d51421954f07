"""The network, its configuration, checkpoints on disk, and the names by which they are found."""
