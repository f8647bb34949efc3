"""Classifiers that E-ABS is compared with."""
