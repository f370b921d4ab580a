"""Import path of this folder's helpers: with pytest's importlib mode it is not a package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
