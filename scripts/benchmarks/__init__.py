"""Benchmarks: what is measured is compared with a baseline in the same run."""
