"""E-ABS: robust classification by analysis-by-synthesis, in pure PyTorch."""
