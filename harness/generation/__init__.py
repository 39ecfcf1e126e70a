"""The systems on trial, last stage: passages, their choosing, and readers that answer from them with citations."""
