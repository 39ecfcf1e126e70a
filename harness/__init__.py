"""Signoff: executable release checklists for search, reranking and RAG systems."""

__all__ = ["__version__"]

__version__ = "0.1.0"
