"""Makes this folder the package `threshold` inside GDB: `source kernel/gdb/load.py`.

The folder's own name would be no good as a package's: `gdb` is GDB's.
"""

import importlib.util
import sys
from pathlib import Path


def load(folder: Path) -> None:
    """Runs the folder's __init__.py, unless that has been done."""
    if "threshold" in sys.modules:
        return
    sys.dont_write_bytecode = True  # what is made is made in build/
    spec = importlib.util.spec_from_file_location(
        "threshold", folder / "__init__.py",
        submodule_search_locations=[str(folder)])
    package = importlib.util.module_from_spec(spec)
    sys.modules["threshold"] = package
    try:
        spec.loader.exec_module(package)
    except BaseException:
        del sys.modules["threshold"]  # the next try begins anew
        raise


load(Path(__file__).resolve().parent)
