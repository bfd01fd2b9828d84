"""Curves, a file each; comparison/growth.py finds them by name."""
