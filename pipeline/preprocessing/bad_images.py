"""Refuse data in which files are not usable images."""

import csv
from pathlib import Path

from pipeline.core.errors import UserError
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.scanned import Scan

NAMED = 10


def refuse(listing: Listing, scan: Scan, list_path: Path) -> None:
    """Stop if any sample is not a usable image; a file lists all of them.

    Raises:
        UserError: names the first ten and counts them all.
    """
    if not scan.bad:
        return
    with list_path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "kind", "detail"])
        table.writerows([listing.ids[row], bad.kind, bad.detail] for row, bad in scan.bad.items())
    first = "; ".join(f"{listing.ids[row]} ({bad})" for row, bad in list(scan.bad.items())[:NAMED])
    more = f" and {len(scan.bad) - NAMED} more, all listed in {list_path}"
    raise UserError(
        f"{len(scan.bad)} of {len(listing.ids)} samples are not usable images: "
        f"{first}{more if len(scan.bad) > NAMED else ''}; repair or remove them, or set "
        "data.on_bad_image: quarantine, which leaves them out and counts them"
    )
