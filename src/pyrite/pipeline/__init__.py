"""The pipeline engine: stages, keys, a store that publishes by rename, plans, runs. It knows nothing of retrieval."""
