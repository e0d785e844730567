"""Where images come from, one source a file: `load(params, folder, kind) -> Listing`."""
