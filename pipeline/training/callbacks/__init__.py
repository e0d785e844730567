"""The callbacks of a fit: what Lightning's Trainer calls while it trains."""
