import pytest

from rnnjax.data import Utterance, read_manifest


def test_paths_are_relative_to_the_manifest(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    for name in ("a.wav", "sub/b.wav"):
        (tmp_path / name).touch()
    path = tmp_path / "all.tsv"
    path.write_text(f"a.wav\t12\nsub/b.wav\t\n{tmp_path / 'a.wav'}\tdrei vier\n\n")
    monkeypatch.chdir("/")
    assert read_manifest(path) == [
        Utterance(tmp_path / "a.wav", "12", f"{path}, line 1"),
        Utterance(tmp_path / "sub/b.wav", "", f"{path}, line 2"),
        Utterance(tmp_path / "a.wav", "drei vier", f"{path}, line 3"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.wav", "a path, a tab and a transcript, got 'a.wav'"),
        ("a.wav\t1\t2", "a path, a tab and a transcript"),
        ("\t1", "a path, a tab and a transcript"),
        ("", "a path, a tab and a transcript"),
        ("none.wav\t1", r"there is no file .*none\.wav"),
        (".\t1", "there is no file"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    (tmp_path / "a.wav").touch()
    (tmp_path / "bad.tsv").write_text(f"a.wav\t1\n{line}\na.wav\t1\n")
    with pytest.raises(ValueError, match=rf"bad\.tsv, line 2: .*{message}"):
        read_manifest(tmp_path / "bad.tsv")
