"""Heads: linear SVMs on pooled features, and the probabilities they are calibrated to."""
