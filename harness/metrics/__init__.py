"""Ranking metrics: arrays in, one value per query out."""
