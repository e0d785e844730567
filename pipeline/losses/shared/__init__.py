"""Code that several losses share."""
