"""Groups of rows, a file each; comparison/bench.py finds them by name."""
