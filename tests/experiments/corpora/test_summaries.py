import pytest

from rnnjax_experiments.corpora import summaries
from rnnjax_experiments.corpora.summaries import Docstring, docstrings

BODY = "This is a body of ten words or of a few more."


def write(path, *texts):
    """A module with a function a text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    functions = (f'def name{i}():\n    """{text}"""\n' for i, text in enumerate(texts))
    path.write_text("\n".join(functions))


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """What makes the packages of an environment of files, by the split that each is in."""
    monkeypatch.setattr(summaries, "modules", list)
    monkeypatch.setattr(summaries.sysconfig, "get_path", lambda _: str(tmp_path))
    splits = {"one": "train", "two": "dev", "three": "test"}
    monkeypatch.setattr(summaries, "_split", splits.__getitem__)
    return tmp_path


def test_a_docstring_is_split_into_its_first_line_and_its_body(packages):
    text = f"Return  the largest one.\n\n    {BODY}\n\n    And\tmore: " + "x " * 300
    write(packages / "one" / "a.py", text)
    (found,) = docstrings().train
    words = f"{BODY} And more: {'x ' * 300}".split()[:200]
    assert found == Docstring(" ".join(words), "Return the largest one.", "name0", "one")


def test_texts_that_are_no_summary_and_body_are_left_out(packages):
    write(
        packages / "one" / "a.py",
        f"Too short.\n\n{BODY}",
        f"Goes on in the\nsecond line.\n\n{BODY}",
        "The body is too short.\n\nIndeed it is.",
        "There is no body.",
        "long " * 21 + f"\n\n{BODY}",
        f"\n\n{BODY}",
    )
    write(packages / "one" / "tests" / "b.py", f"It is in a test.\n\n{BODY}")
    write(packages / "one" / "_vendor" / "c.py", f"It is of another package.\n\n{BODY}")
    (packages / "one" / "broken.py").write_text('"""Not Python at all.\n\n' + BODY + '"""\n(')
    (packages / "one" / "latin.py").write_bytes(b'"""\xe9 is not UTF-8."""')
    assert [list(part) for part in docstrings()] == [[], [], []]


def test_modules_classes_and_inner_functions_have_docstrings(packages):
    path = packages / "one" / "part" / "__init__.py"
    path.parent.mkdir(parents=True)
    text = '"""{0} has a docstring.\n\n{0} and ' + BODY + '"""'
    lines = [text.format("module"), "if True:", " try:", "  class A:", "   " + text.format("class")]
    lines += ["   async def f(): ", "    " + text.format("function")]
    lines += [" except ValueError:", "  def g(): ", "   " + text.format("handler")]
    path.write_text("\n".join(lines))
    names = {each.target.split()[0]: each.name for each in docstrings().train}
    assert names == {"module": "part", "class": "A", "function": "f", "handler": "g"}


def test_no_side_of_a_held_out_docstring_was_seen_in_training(packages):
    texts = {
        "one": (("Return the sum.", ""), ("Return the sum.", 1)),  # the same first line
        "two": (("RETURN the sum!", 2), ("Of dev only.", 3)),
        "three": (("Return it all.", "!"), ("Of test only.", 4)),  # a body that was seen
    }
    for package, pairs in texts.items():
        lines = (f"{first}\n\n{BODY}{more}" for first, more in pairs)
        write(packages / package / "a.py", *lines)
    splits = docstrings()
    found = [[each.target for each in part] for part in splits]
    assert found == [["Return the sum."], ["Of dev only."], ["Of test only."]]
    assert [part[0].package for part in splits] == ["one", "two", "three"]


def test_names_are_split_into_words():
    names = {"readCSV_file": "read csv file", "__init__": "init", "HTTPServer2": "httpserver2"}
    for name, words in names.items():
        assert Docstring("", "", name, "").words_of_name == words


def test_whole_packages_are_held_out_by_their_names():
    splits = {name: summaries._split(name) for name in ("rich", "email", "http", "tyro", "numpy")}
    want = {"rich": "dev", "email": "dev", "http": "test", "tyro": "test", "numpy": "train"}
    assert splits == want


def test_files_are_those_of_the_library_and_of_the_environment():
    files = dict(summaries._files())
    assert list(files) == sorted(files)
    assert {"json", "numpy", "jax"} <= set(files)
    assert "test" not in files
    assert {path.parent.name for path in files["json"]} == {"json"}
    assert not any("tests" in path.parts for path in files["numpy"])
