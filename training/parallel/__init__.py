"""Training one model with several processes, each with a part of every batch, as one process would train it."""
