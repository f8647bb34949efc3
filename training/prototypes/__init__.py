"""Prototype banks: what can be put into one, how one is trained for its certificate, what one is worth."""
