"""What needs images and networks once all is decided: pictures of errors, and hard conditions."""
