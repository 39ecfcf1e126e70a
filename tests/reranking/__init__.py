"""The reranking room's tests."""
