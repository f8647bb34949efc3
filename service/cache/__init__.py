"""Answers and images that were seen before."""
