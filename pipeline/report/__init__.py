"""One page that shows what was compared, what was found, and what it rests on."""
