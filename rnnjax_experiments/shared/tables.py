"""How files of labelled text are laid out, as options of the commands that read them."""

from dataclasses import dataclass
from typing import Any

from rnnjax.data.readers.tables import Choice


@dataclass(frozen=True)
class Table:
    """How the lines of files are to be read."""

    header: Choice = "auto"
    """Whether the first line of a file names its columns: yes, no, or auto, which knows usual names
    and says so."""
    quoted: Choice = "auto"
    """Whether cells are in quotes, as CSV files have them: yes, no, or auto, which looks whether
    all cells are in quotes that must be, and says so."""

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of a reader."""
        return vars(self)


AUTO = Table()
