"""Scripts for development: benchmarks, screenshots, generated pages."""
