"""Mining beside its peers: one module a claim; `make bench-mining` runs all of them."""
