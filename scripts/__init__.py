"""What developers run: checks, tests, benchmarks."""
