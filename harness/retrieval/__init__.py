"""The systems on trial, first stage: encoders, indexes and retrievers; they know nothing of how they are judged."""
