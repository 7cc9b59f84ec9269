"""TensorRT, the engine on a GPU: FP16 graphs, plans compiled of them, the cache that holds those, and running them."""
