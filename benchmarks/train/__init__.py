"""Training beside sentence-transformers' trainer: one module a question."""
