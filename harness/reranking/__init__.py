"""Rerankers on trial: features of (query, document) pairs, the models that order by them, and their acceptance."""
