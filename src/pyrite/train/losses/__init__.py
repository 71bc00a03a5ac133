"""Losses on embeddings, free of any trainer."""
