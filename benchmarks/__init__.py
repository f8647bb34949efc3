"""Measurements, run by `eabs bench`. They assert nothing: a number means something beside its machine only."""
