"""How endpoints and workspaces may be called."""

import re
from typing import Final

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""Safe in a URL, a label and a file name."""
