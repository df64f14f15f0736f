import ast
import hashlib
import sys
import warnings

import pytest
from elsewhere import digest_elsewhere

from rnnjax.data.readers.records import UNLABELLED
from rnnjax_experiments.corpora.identifiers import ROLES
from rnnjax_experiments.corpora.roles import identifier_roles, roles
from rnnjax_experiments.corpora.standard_library import Module, modules, read


@pytest.fixture(scope="module")
def tagged():
    return identifier_roles()


def pairs(source):
    """The identifiers of `source` that are no keyword, with their roles: "a/global b/local"."""
    return " ".join(
        f"{token}/{tag}"
        for sentence in roles(source)
        for token, tag in zip(*sentence, strict=True)
        if tag not in (UNLABELLED, "keyword")
    )


def keywords(source):
    return [
        token
        for sentence in roles(source)
        for token, tag in zip(*sentence, strict=True)
        if tag == "keyword"
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = 1; a", "a/global a/global"),
        ("a.b.c", "a/global b/attribute c/attribute"),
        ("a.b.c(d.e)", "a/global b/attribute c/method d/global e/attribute"),
        ("(a.b)(c)", "a/global b/method c/global"),
        ("a.b().c[0]", "a/global b/method c/attribute"),
        ("f(a, b=a, *c, **d)", "f/global a/global b/keyword_argument a/global c/global d/global"),
        ("len(a); unheard_of", "len/builtin a/global unheard_of/global"),
        ("len = 1; print(len)", "len/global print/builtin len/global"),
        ("__name__, __file__, _", "__name__/global __file__/global _/global"),
        ("def f(): len = 1; len", "f/function len/local len/local"),
        ("def f(): global len; len", "f/function len/global len/global"),
    ],
)
def test_names_of_a_module(source, expected):
    assert pairs(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a, b.c", "a/module b/module c/module"),
        ("import a.b as c, d; c", "a/module b/module c/imported d/module c/global"),
        ("import a.a as a", "a/module a/module a/imported"),
        ("from a.b import c as d, e", "a/module b/module c/imported d/imported e/imported"),
        ("from .a import (b,\n  c as c)", "a/module b/imported c/imported c/imported"),
        ("from . import a", "a/imported"),
        ("import a as é", "a/module é/imported"),
        ("from a import *\nb", "a/module b/global"),
        ("def f():\n import a.b\n a.b", "f/function a/module b/module a/local b/attribute"),
    ],
)
def test_imports(source, expected):
    assert pairs(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(a, b=a): return a", "f/function a/parameter b/parameter a/global a/local"),
        ("def f(a, /, b, *, c): c", "f/function a/parameter b/parameter c/parameter c/local"),
        ("def f(*a, **k): a, k", "f/function a/parameter k/parameter a/local k/local"),
        (
            "async def f(a):\n async with a as b: await b\n async for c in a: c",
            "f/function a/parameter a/local b/local b/local c/local a/local c/local",
        ),
        (
            "def f(a: a, *b: b) -> int: c: a = 1",
            "f/function a/parameter a/global b/parameter b/global int/builtin c/local a/local",
        ),
        ("def f(): a; a = 1", "f/function a/local a/local"),
        ("def f(): del a", "f/function a/local"),
        ("def f():\n for a, (b, *c) in d: pass", "f/function a/local b/local c/local d/global"),
        (
            "def f():\n try: pass\n except E as e: e\n e",
            "f/function E/global e/local e/local e/local",
        ),
        ("try: pass\nexcept E as e: e", "E/global e/global e/global"),
        ("def f(): global a, b; a = b", "f/function a/global b/global a/global b/global"),
        (
            "a = 1\ndef f(): global a\ndef g(): a",
            "a/global f/function a/global g/function a/global",
        ),
    ],
)
def test_names_of_a_function(source, expected):
    assert pairs(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "def f(a):\n def g(): return a, b\n b = g",
            "f/function a/parameter g/function a/enclosing b/enclosing b/local g/local",
        ),
        (
            "def f(a):\n def g():\n  nonlocal a; a = 1\n  def h(): a",
            "f/function a/parameter g/function a/enclosing a/enclosing h/function a/enclosing",
        ),
        (
            "def f(a):\n def g():\n  global a; a = 1\n  def h(): a",
            "f/function a/parameter g/function a/global a/global h/function a/global",
        ),
        ("lambda a, b=c: a + b + c", "a/parameter b/parameter c/global a/local b/local c/global"),
        ("def f(a): lambda: a", "f/function a/parameter a/enclosing"),
        (
            "def f(a):\n class A:\n  b = a\n  def g(self): b, a",
            "f/function a/parameter A/class b/member a/enclosing "
            "g/function self/parameter b/global a/enclosing",
        ),
    ],
)
def test_names_of_functions_further_out(source, expected):
    assert pairs(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("[a for a in a]", "a/local a/local a/global"),
        ("{a: b for a, b in c if a}", "a/local b/local a/local b/local c/global a/local"),
        ("{a for b in c for a in b}", "a/local b/local c/global a/local b/local"),
        ("def f(a): (a + b for b in a)", "f/function a/parameter a/local b/local b/local a/local"),
        ("def f(a): (lambda: b for b in a)", "f/function a/parameter b/enclosing b/local a/local"),
        ("[[a for _ in b] for a in c]", "a/local _/local b/global a/local c/global"),
        (
            "class A:\n a = b = 1\n [a for c in b]",
            "A/class a/member b/member a/global c/local b/member",
        ),
        ("if (a := 1): a", "a/global a/global"),
        (
            "def f(): [b := a for a in c]; b",
            "f/function b/local a/local a/local c/global b/local",
        ),
        ("[b := a for a in c]; b", "b/global a/local a/local c/global b/global"),
    ],
)
def test_comprehensions_and_walruses(source, expected):
    assert pairs(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class A(B, m=C): pass", "A/class B/global m/keyword_argument C/global"),
        ("class A: a = 1; b: int = a", "A/class a/member b/member int/builtin a/member"),
        (
            "class A:\n def f(self): f, self.f\n f",
            "A/class f/function self/parameter f/global self/local f/attribute f/member",
        ),
        (
            "class A:\n def f(self, a=len): len\n len = 1",
            "A/class f/function self/parameter a/parameter len/member len/builtin len/member",
        ),
        ("@a\ndef f(): a", "a/decorator f/function a/global"),
        (
            "@a.b(c, d=e.f())\nclass A: pass",
            "a/decorator b/decorator c/global d/keyword_argument e/global f/method A/class",
        ),
        (
            "class A:\n @property\n def x(self): pass\n @x.setter\n async def x(self): pass",
            "A/class property/decorator x/function self/parameter "
            "x/decorator setter/decorator x/function self/parameter",
        ),
        ("@a[b].c\ndef f(): pass", "a/global b/global c/decorator f/function"),
    ],
)
def test_classes_and_decorators(source, expected):
    assert pairs(source) == expected


def test_soft_keywords_are_keywords_only_where_they_act_as_such():
    assert keywords("match = case = type = _\nmatch(case, type(_))\nmatch.case") == []
    source = """
match match:
    case [case, *rest] if case: _
    case {"a": value, **others} | A(value, b=others): pass
    case (B.C() | None) as whole: pass
    case [_, *_]: _
    case type: type
"""
    assert " ".join(keywords(source)) == ("match case if case pass case None as pass case _ _ case")
    assert pairs(source) == (
        "match/global case/global rest/global case/global _/global "
        "value/global others/global A/global value/global b/keyword_argument others/global "
        "B/global C/attribute whole/global _/global type/global type/global"
    )
    source = "def f(a):\n match a:\n  case b: b\n  case [*c]: c\n  case {**d}: d\n  case e(): e"
    assert pairs(source) == (
        "f/function a/parameter a/local "
        "b/local b/local c/local c/local d/local d/local e/global e/global"
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters came with Python 3.12")
def test_type_parameters():
    assert keywords("type A[T] = list[T]") == ["type"]
    assert pairs("type A[T] = T") == "A/global T/parameter T/global"
    assert pairs("class A[T: int, *Ts, **P](T): pass") == (
        "A/class T/parameter int/builtin Ts/parameter P/parameter T/global"
    )
    assert pairs("def f[T](a: T) -> T: a") == (
        "f/function T/parameter a/parameter T/global T/global a/local"
    )


@pytest.mark.parametrize(
    "string", ["f'{a!r:>{b}} {c(d)}'", "f'''{\na\n}'''", "f\"{a['b']}\"", "f'{{}}'", "f''"]
)
def test_an_f_string_is_one_string(string):
    (sentence,) = roles(f"x = {string} + y")
    assert sentence.tokens == ("x", "=", "f", '""', "+", "y", "<eol>")
    assert sentence.tags == ("global", "_", "prefix", "_", "_", "global", "_")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="came with Python 3.12")
def test_an_f_string_in_an_f_string_is_one_string():
    (sentence,) = roles("""x = f'{f'{'a'}' + "b"}' + y""")
    assert sentence.tokens == ("x", "=", "f", '""', "+", "y", "<eol>")


def test_an_f_string_may_bind_a_name():
    assert pairs("def f(): f'{(a := 1)}'; a") == "f/function f/prefix a/local"


def test_what_is_no_identifier():
    (sentence,) = roles("a = rb'x' B'y' + 0x1f * 1.5j  # z\n")
    assert sentence.tokens == (*("a", "=", "rb", '""', "B", '""', "+", "0", "*", "0", "<eol>"),)
    assert sentence.tags == ("global", "_", "prefix", "_", "prefix", *6 * "_")


def test_columns_behind_letters_of_several_bytes():
    assert pairs("é = 'äöü'; é.b(ß, c='ü'); d.e") == (
        "é/global é/global b/method ß/global c/keyword_argument d/global e/attribute"
    )


def lines(sentence):
    return " ".join(sentence.tokens).removesuffix(" <eol>").split(" <eol> ")


def test_a_sentence_is_a_run_of_lines_of_one_definition():
    source = """
import a
b = (1,
     2)

@c
class D:
    '''Doc.'''

    e = 1
    @f(
        0)
    def g(self):  # h
        # i
        def j(): pass
        j()
    k = 2
    l = 3
'''m'''
n
"""
    assert [lines(sentence) for sentence in roles(source)] == [
        ["import a", "b = ( 0 , 0 )"],
        ["@ c", "class D :", '""', "e = 0"],
        ["@ f ( 0 )", "def g ( self ) :"],
        ["def j ( ) : pass"],
        ["j ( )"],
        ["k = 0", "l = 0"],
        ['""', "n"],
    ]


def test_sentences_are_at_most_60_tokens():
    assert list(map(lines, roles("a = 1\n" * 20))) == [["a = 0"] * 15, ["a = 0"] * 5]
    assert [len(s.tokens) for s in roles("a = b + c\n" * 11)] == [60, 6]
    assert [len(s.tokens) for s in roles("a\nb = [" + "c, " * 70 + "]\nd")] == [2, 60, 60, 27]
    # No identifiers in the middle, none at all.
    assert [len(s.tokens) for s in roles("b = [" + "1, " * 70 + "c]")] == [60, 26]
    assert roles("'''Doc.'''\n1 + 1\n# a") == []
    assert roles("") == []


def test_a_head_stays_with_the_line_that_follows():
    parameters = ", ".join("abcdefghijklmnopqrst")
    head, other = roles(f"def f({parameters}):\n  {parameters}\n")
    assert len(head.tokens) == 60
    assert "parameter" in head.tags
    assert "local" in head.tags
    assert set(other.tags) == {"local", "_"}


def test_code_that_cannot_be_parsed():
    with pytest.raises(SyntaxError):
        roles("a b")


def test_no_warnings_of_the_code():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pairs(r"a = '\d'; a is 1") == "a/global a/global"


def test_modules():
    found = modules()
    names = [module.name for module in found]
    assert len(set(names)) == len(names) > 300
    assert {"ast", "email", "email.mime.text", "json.decoder"} <= set(names)
    parts = {part for name in names for part in name.split(".")}
    assert not parts & {"test", "tests", "idle_test", "idlelib", "tkinter", "site-packages"}
    assert all(module.path.is_file() for module in found)


def test_modules_are_split_by_their_names():
    found = modules()
    held_out = [sum(module.split == split for module in found) for split in ("dev", "test")]
    assert min(held_out) > 0.07 * len(found)
    assert max(held_out) < 0.15 * len(found)
    # As they were when this was written, wherever they are.
    names = ("ast", "json", "difflib", "inspect")
    splits = [Module(name, None).split for name in names]
    assert splits == ["train", "train", "dev", "test"]


def test_a_module_that_cannot_be_parsed_is_none(tmp_path):
    for number, code in enumerate([b"a b", b"# coding: utf-8\n\xff", b"a\0", b"# coding: what"]):
        path = tmp_path / f"{number}.py"
        path.write_bytes(code)
        assert read(Module("a", path)) is None
    path.write_bytes("# coding: latin-1\r\né".encode("latin-1"))
    code = read(Module("a", path))
    assert code.source == "# coding: latin-1\né"
    assert isinstance(code.tree, ast.Module)


@pytest.mark.full  # reads the whole library
def test_sizes_of_the_tagged_corpus(tagged):
    sizes = [sum(len(sentence.tokens) for sentence in split) for split in tagged]
    for size, limit in zip(sizes, (250_000, 25_000, 25_000), strict=True):
        assert 0.8 * limit < size <= limit
    assert max(len(sentence.tokens) for split in tagged for sentence in split) == 60


@pytest.mark.full  # reads the whole library
def test_every_identifier_has_a_role(tagged):
    assert list(ROLES) == sorted(ROLES)
    for split in tagged:
        assert {tag for sentence in split for tag in sentence.tags} == {*ROLES, UNLABELLED}
        for sentence in split:
            assert len(sentence.tokens) == len(sentence.tags)
            assert set(sentence.tags) != {UNLABELLED}
            for token, tag in zip(*sentence, strict=True):
                assert token.isidentifier() == (tag != UNLABELLED)


def test_every_role_is_documented():
    assert all(f"- `{role}`: " in roles.__doc__ for role in ROLES)


@pytest.mark.full  # reads the whole library
def test_no_tagged_sentence_occurs_twice(tagged):
    every = [sentence.tokens for split in tagged for sentence in split]
    assert len(every) == len(set(every)) > 5000


@pytest.mark.full  # reads the whole library
def test_the_sentences_of_a_module_are_in_its_split(tagged):
    split_of = {sentence: split for split in tagged._fields for sentence in getattr(tagged, split)}
    for split in tagged._fields:
        first = next(module for module in modules() if module.split == split)
        known = [s for s in roles(read(first).source) if s in split_of]
        # Few of a held-out module are left out because they are in the training split.
        assert sum(split_of[s] == split for s in known) > 0.8 * len(known) > 0


@pytest.mark.full  # reads the whole library once more
def test_another_process_reads_the_same(tagged):
    digest = hashlib.sha256(repr(tagged).encode()).hexdigest()
    assert digest_elsewhere("rnnjax_experiments.corpora.roles", "identifier_roles") == digest
