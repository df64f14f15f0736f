"""Optional dependencies, imported only where they are used."""

import importlib
from types import ModuleType


def require(module: str, extra: str) -> ModuleType:
    """Return the module; if it is missing, raise `ImportError` naming the extra to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{module} is not installed; it comes with: pip install "rnnjax[{extra}]"'
        ) from error
