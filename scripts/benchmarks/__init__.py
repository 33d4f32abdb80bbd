"""Benchmarks. Each compares what it measures with a baseline in the same run."""
