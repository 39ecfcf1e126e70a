"""How long a request will take, said beforehand: quantile boosters, conformalised apart for warm and cold caches."""
