"""The callbacks of a fit, which Lightning's Trainer calls while it trains."""
