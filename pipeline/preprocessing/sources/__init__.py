"""Sources of images, one per file: `load(params, folder, kind) -> Listing`."""
