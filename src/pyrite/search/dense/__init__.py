"""Dense search: embeddings in shards, exact blockwise search and FAISS."""
