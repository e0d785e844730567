"""The learning-rate finder: a sweep of rising rates on a recipe's own data."""
