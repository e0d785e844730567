"""The stages, one in each file: each reads its inputs, calls the library, and writes."""
