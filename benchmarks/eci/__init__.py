"""Scores of negatives beside the plain way to compute them; `make bench-eci` runs all."""
