"""Reading questions about stories, whose answers are spans of the story."""

from rnnjax.data.readers.lines import read_lines
from rnnjax.data.readers.records import Question
from rnnjax.data.readers.text import Source


def read_questions(path: Source) -> list[Question]:
    """Return the questions of a UTF-8 file with a question on each line.

    A line has four columns, with tabs between them: the story, the question, and where the answer
    starts and ends in the story, as in a slice: `0` and `2` are its first two tokens. White space
    separates the tokens. Empty lines at the end of the file are skipped.

    Args:
      path: the file.

    Raises:
      ValueError: the file cannot be read; or a line has the wrong number of columns, or an answer
        that is not a span of its story; the message then names the file and the line.

    Example:
      >>> _ = Path("questions.tsv").write_text("Ada is at home .\\tWhere is Ada ?\\t3\\t4\\n")
      >>> [question] = rx.data.read_questions("questions.tsv")
      >>> question.answer, question.answer_text
      ((3, 4), 'home')
    """
    lines = list(read_lines(path))
    while lines and not lines[-1][1]:
        lines.pop()
    return [_question(line, f"{path}, line {number}") for number, line in lines]


def _question(line: str, place: str) -> Question:
    cells = line.split("\t")
    if len(cells) != 4:
        raise ValueError(
            f"{place}: a line must be a story, a question, and the start and end of the answer, "
            f"tabs between them, got {len(cells)} columns"
        )
    story, asked = (tuple(cell.split()) for cell in cells[:2])
    try:
        start, end = map(int, cells[2:])
    except ValueError:
        raise ValueError(
            f"{place}: start and end must be integers, got {cells[2]!r} and {cells[3]!r}"
        ) from None
    if not 0 <= start < end <= len(story):
        raise ValueError(
            f"{place}: the answer must be a span of its story, which has {len(story)} tokens, "
            f"got {start} to {end}"
        )
    return Question(story, asked, (start, end))
