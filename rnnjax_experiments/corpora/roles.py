"""What each identifier of Python source code is: a tagging task that needs no download."""

import ast
import io
import itertools
import re
import tokenize
from collections.abc import Container, Iterable, Iterator

from rnnjax.data.readers.records import UNLABELLED, Splits, Tagged
from rnnjax_experiments.corpora.identifiers import IdentifierRoles
from rnnjax_experiments.corpora.scopes import scopes_of
from rnnjax_experiments.corpora.standard_library import Code, Module, modules, parse, read

# Tokens of a sentence, of the training split, of the others, and of any one module.
_LONGEST = 60
_TRAIN, _HELD_OUT = 250_000, 25_000
_MODULE = 2_000

END_OF_LINE = "<eol>"
STRING = '""'
NUMBER = "0"

_Pair = tuple[str, str]


def identifier_roles() -> Splits[Tagged]:
    """Code of the standard library with the role of each identifier, split by module.

    At most 250,000 tokens for training and 25,000 in each of the other splits, from modules in
    the order of a digest of their names, the first 2,000 tokens of each. A sentence that has
    come up is left out, so that nothing held out was seen in training. See `roles` for what
    the sentences and the tags are.

    The sentences are the same on every run, but each release of Python has its own: compare figures
    only under one.
    """
    found = modules()
    train, dev, test = (
        [module for module in found if module.split == split] for split in Splits._fields
    )
    seen: set[tuple[str, ...]] = set()
    return Splits(
        _new_sentences(train, _TRAIN, seen),
        _new_sentences(dev, _HELD_OUT, seen),
        _new_sentences(test, _HELD_OUT, seen),
    )


def roles(source: str) -> list[Tagged]:
    """Sentences of about ten lines from `source`, each identifier tagged with its role.

    - `attribute`: after a dot, `x` in `a.x`, unless it is called
    - `builtin`: `len` in `len(a)`, unless the module or the function has its own
    - `class`: `A` in `class A:`
    - `decorator`: `a` and `b` in `@a.b(c)`
    - `enclosing`: a name of a function around this one, `a` in `def f(a): return lambda: a`
    - `function`: `f` in `def f():`, methods included
    - `global`: a name of the module, also `os` in `os.sep`, and any that nothing seems to bind
    - `imported`: `a` and `b` in `from m import a as b`, `b` in `import m as b`
    - `keyword`: `if`, `None`; `match`, `case`, `type` and `_` only where they act as such
    - `keyword_argument`: `x` in `f(x=1)`, `class A(x=1):` and `case A(x=1):`
    - `local`: a name of this function where it is used or set, its parameters included; also
      the targets of a comprehension, wherever it stands
    - `member`: a name of the class in the class's own body, `x` in `class A: x = 1`
    - `method`: after a dot and called, `x` in `a.x()`
    - `module`: `a` and `b` in `import a.b` and `from a.b import c`
    - `parameter`: in the list of a definition, `a` in `def f(a, *, b=1):`, `lambda a:` and
      `def f[a]():`
    - `prefix`: `rb` of `rb"..."`, a token of its own

    Everything else is there as context and tagged `_`: operators, `0` for any number, `""`
    for any string (an f-string is one string, whatever it holds) and `<eol>` where a line
    ends (one that goes on over line breaks is one). Comments and indentation are left out.

    A sentence is a run of lines of one function, class body or of the module level, the
    definition's head first, of at most 60 tokens; a longer line is cut. Those that hold no
    identifier are left out. Raises SyntaxError where this version of Python cannot parse
    `source`.
    """
    return list(_sentences(Code(source, parse(source))))


def _new_sentences(found: Iterable[Module], limit: int, seen: set[tuple[str, ...]]) -> list[Tagged]:
    sentences: list[Tagged] = []
    size = 0
    for sentence in _beginnings(found):
        if sentence.tokens in seen:
            continue
        size += len(sentence.tokens)
        if size > limit:
            break
        seen.add(sentence.tokens)
        sentences.append(sentence)
    return sentences


def _beginnings(found: Iterable[Module]) -> Iterator[Tagged]:
    for module in found:
        code = read(module)
        size = 0
        for sentence in _sentences(code) if code else ():
            size += len(sentence.tokens)
            if size > _MODULE:
                break
            yield sentence


def _sentences(code: Code) -> Iterator[Tagged]:
    scopes = scopes_of(code.tree)
    lines = _lines(_tagged_tokens(code.source, IdentifierRoles(scopes)))
    for body in _bodies(lines, scopes):
        for pairs in _packed(body):
            if any(tag != UNLABELLED for _, tag in pairs):
                yield Tagged(*zip(*pairs, strict=True))


def _tagged_tokens(source: str, role_of: IdentifierRoles) -> Iterator[tuple[int, _Pair]]:
    """The tokens of a module with their tags, each after the row that it stands in."""
    rows = source.split("\n")
    inside_f_strings = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind, text, (row, column), *_ = token
        # From Python 3.12 on, an f-string is many tokens; t-strings (3.14) are alike.
        name = tokenize.tok_name[kind]
        if name.endswith("STRING_END"):
            inside_f_strings -= 1
        elif inside_f_strings and not name.endswith("STRING_START"):
            continue
        elif kind == tokenize.STRING or name.endswith("STRING_START"):
            if not inside_f_strings:
                yield from ((row, pair) for pair in _string(text))
            inside_f_strings += kind != tokenize.STRING
        elif kind == tokenize.NUMBER:
            yield row, (NUMBER, UNLABELLED)
        elif kind == tokenize.NEWLINE:
            yield row, (END_OF_LINE, UNLABELLED)
        elif kind == tokenize.OP:
            yield row, (text, UNLABELLED)
        elif kind == tokenize.NAME:
            # The tree counts columns in bytes.
            start = row, len(rows[row - 1][:column].encode())
            yield row, (text, role_of(text, start))


def _string(text: str) -> Iterator[_Pair]:
    prefix = re.split("['\"]", text, maxsplit=1)[0]
    if prefix:
        yield prefix, "prefix"
    yield STRING, UNLABELLED


def _lines(tokens: Iterable[tuple[int, _Pair]]) -> Iterator[tuple[int, list[_Pair]]]:
    """Lines of code, however many rows they stand on, with their last rows."""
    line: list[_Pair] = []
    for row, pair in tokens:
        line.append(pair)
        if pair == (END_OF_LINE, UNLABELLED):
            yield row, line
            line = []


def _bodies(
    lines: Iterable[tuple[int, list[_Pair]]], nodes: Iterable[ast.AST]
) -> Iterator[Iterator[list[_Pair]]]:
    """Runs of lines of one definition or of the module level."""
    definitions, heads = _definitions(nodes)
    for _, body in itertools.groupby(lines, lambda line: definitions.get(line[0])):
        yield _joined(body, heads)


def _joined(
    lines: Iterable[tuple[int, list[_Pair]]], heads: Container[int]
) -> Iterator[list[_Pair]]:
    """The lines, but a head is one with the line that follows it."""
    joined: list[_Pair] = []
    for row, line in lines:
        joined = joined + line
        if row not in heads:
            yield joined
            joined = []
    yield joined


def _definitions(nodes: Iterable[ast.AST]) -> tuple[dict[int, ast.AST], set[int]]:
    """The innermost definition that each row belongs to, and the rows of their heads."""
    definitions: dict[int, ast.AST] = {}
    heads: set[int] = set()
    for node in nodes:  # an outer one comes before those in it
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            assert node.end_lineno is not None
            definitions.update(dict.fromkeys(range(first, node.end_lineno + 1), node))
            heads.update(range(first, node.body[0].lineno))
    return definitions, heads


def _packed(lines: Iterable[list[_Pair]]) -> Iterator[list[_Pair]]:
    sentence: list[_Pair] = []
    for line in lines:
        if len(sentence) + len(line) > _LONGEST:
            yield sentence
            sentence = []
        sentence = sentence + line
        while len(sentence) > _LONGEST:
            yield sentence[:_LONGEST]
            sentence = sentence[_LONGEST:]
    yield sentence
