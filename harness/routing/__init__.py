"""The query-time router on trial: cheap signals in, what a rerank would bring and cost out, on every request."""
