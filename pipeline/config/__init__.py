"""params.yaml as one typed, frozen tree, with one file per section."""
