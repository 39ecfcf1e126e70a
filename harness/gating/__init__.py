"""The query-time spend rule on trial: which requests are worth a rerank within a budget of time or of share."""
