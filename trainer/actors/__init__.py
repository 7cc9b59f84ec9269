"""A synthetic actor that shows and speaks emotions, for the demo, the tests and the benchmarks."""
