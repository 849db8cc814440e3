"""`python -m bascule`."""

import sys

from bascule.cli.main import main

sys.exit(main())
