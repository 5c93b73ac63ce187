"""Make the clone's packages importable in its environment, and install the ``telecine`` command.

A path file and a launcher do what an editable install does, without a build step, so that nothing but the locked
wheels is needed and nothing is written into the source tree.
"""

import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

LAUNCHER = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys

from telecine.cli import main

sys.exit(main())
"""


def main() -> None:
    """Write both files. Idempotent."""
    site = Path(sysconfig.get_path("purelib"))
    (site / "telecine-clone.pth").write_text(f"{ROOT}\n")
    launcher = Path(sysconfig.get_path("scripts")) / "telecine"
    launcher.write_text(LAUNCHER.format(python=Path(sys.prefix) / "bin" / "python"))
    launcher.chmod(0o755)


if __name__ == "__main__":
    main()
