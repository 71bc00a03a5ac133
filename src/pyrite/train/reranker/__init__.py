"""Training of models that score a query and a document together."""
