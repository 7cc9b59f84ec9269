"""Hours of faults: `python -m benchmarks.soak`."""
