"""Makes the helpers of this folder importable: with pytest's importlib mode it is no package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
