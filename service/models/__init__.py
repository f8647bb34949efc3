"""The models in memory, and how requests name them."""
