"""The engine that answers jobs, and the queue in front of it."""
