"""The command line as a module, which `python -m pyrite` and `accelerate launch -m pyrite` want."""

import sys

from pyrite.cli import main

if __name__ == "__main__":
    sys.exit(main())
