"""``python -m srcnb`` is the same program as ``srcnb``."""

import sys

from srcnb.cli import main

if __name__ == "__main__":
    sys.exit(main())
