"""One closing line for several rounds of pytest: closing_line.py SECONDS TALLY..."""

import json
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

seconds, tallies = int(sys.argv[1]), sys.argv[2:]
counts: Counter[str] = Counter()
for path in tallies:
    counts.update(json.loads(Path(path).read_text()))
shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no tests ran"
sys.stdout.write(f" {shown} in {seconds}.00s ({timedelta(seconds=seconds)}) ".center(80, "=") + "\n")
