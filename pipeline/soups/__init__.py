"""Model soups: networks whose weights are the mean of those of several members."""
