"""What the tests of the scripts for sentences share: a small model, and how to read tables."""

SMALL = (
    *("--hidden-size", "8", "--embed-size", "8", "--characters", "None"),
    *("--dropout", "0.1", "--batch-size", "8", "--epochs", "2", "--shapes", "2"),
    *("--learning-rate", "0.05", "--no-bidirectional"),
)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def table(out, title):
    """The rows of the table with that title, as lists of cells by their first."""
    lines = iter(out.splitlines())
    assert any(line.startswith(title) for line in lines), out
    rows = {}
    for line in lines:
        if line.startswith("└"):
            return rows
        cells = [cell.strip() for cell in line.replace("┃", "│").split("│")[1:-1]]
        if cells:
            rows[cells[0]] = cells[1:]
    raise AssertionError(f"the table does not end:\n{out}")
