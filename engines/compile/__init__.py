"""Bundles compiled for a GPU: FP16 graphs, TensorRT plans of them, and the cache that holds those."""
