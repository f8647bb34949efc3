"""Within which L2 distance a prediction cannot change: one kind of certificate a file."""
