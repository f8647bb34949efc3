"""The discriminative classifiers that the paper compares E-ABS with: a CNN, and two that are trained adversarially."""
