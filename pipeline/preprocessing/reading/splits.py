"""The names that train, val and test may have, in lower case."""

SPELLINGS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "validate", "dev", "development"),
    "test": ("test", "testing", "tst", "holdout"),
}
SPLITS = {spelling: split for split, spellings in SPELLINGS.items() for spelling in spellings}
