import pytest

from rnnjax.data import Question, read_questions


def test_questions_have_a_story_and_a_span_of_it(tmp_path):
    path = tmp_path / "q.tsv"
    path.write_text("Ada  went home .\tWhere is Ada ?\t2\t3\na b\t\t0\t2\n\n", encoding="utf-8")
    one, other = read_questions(path)
    assert one == Question(("Ada", "went", "home", "."), ("Where", "is", "Ada", "?"), (2, 3))
    assert (one.answer_text, other.answer_text, other.question) == ("home", "a b", ())
    assert Question(("a",), ()).answer_text == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a b\twho ?\t1\t3", "must be a span of its story, which has 2 tokens, got 1 to 3"),
        ("a b\twho ?\t-1\t1", "must be a span of its story, which has 2 tokens, got -1 to 1"),
        ("a b\twho ?\t1\t1", "must be a span of its story, which has 2 tokens, got 1 to 1"),
        ("\twho ?\t0\t1", "must be a span of its story, which has 0 tokens"),
        ("a b\twho ?\tx\t1", "start and end must be integers, got 'x' and '1'"),
        ("a b\twho ?\t1", "a story, a question, .* got 3 columns"),
        ("", "got 1 columns"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "q.tsv"
    path.write_text(f"a\twho ?\t0\t1\n{line}\na\twho ?\t0\t1\n", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"q\.tsv, line 2: .*{message}"):
        read_questions(path)
