"""Latency and throughput of the networks on one GPU: `python -m benchmarks.gpu`.

Needs a checkout and PyTorch, nothing else; what else is installed adds rows.
"""
