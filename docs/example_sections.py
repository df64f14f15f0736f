"""A Griffe extension: docstrings may say "Example:", which Griffe knows as "Examples:" only."""

import re
from typing import Any

import griffe


class ExampleSections(griffe.Extension):
    """Names the section as Griffe does, so that it is shown as code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section of an object's docstring."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"(?m)^Example:$", "Examples:", obj.docstring.value)
