# SPDX-License-Identifier: Apache-2.0
"""``python -m kilohour`` is the command ``kilohour``."""

import sys

from kilohour.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
