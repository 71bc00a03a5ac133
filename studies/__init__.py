"""Experiments that answer a question, and the models that they need."""
