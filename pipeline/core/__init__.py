"""The frame that all stages share: it carries data and starts work, and computes nothing."""
