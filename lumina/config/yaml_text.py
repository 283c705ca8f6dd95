"""What people write where YAML is expected: JSON with tabs, and what is wrong in words that they know."""

import re

import yaml

#: What a tab is not taken for white space in: quotes, and comments.
_QUOTED_OR_TAB = re.compile(r"""\"(?:[^"\\]|\\.)*"|'[^']*'|\#[^\n]*|(\t)""", re.DOTALL)

_SENTENCES = (
    (r"found character '\\t'", "a tab is no indentation in YAML; use blanks"),
    (r"found character '(.)' that cannot start", r"a value cannot begin with \1; put it in quotes"),
    (r"expected ',' or '(.)', but got '<stream end>'", r"the file ends before a \1 that is missing"),
    (r"expected ',' or '(.)', but got", r"a comma or a \1 is missing before this"),
    (r"expected '<document start>', but found '(.)'", r"this \1 is one too many"),
    (
        "mapping values are not allowed here",
        "there can be no key here; look for a blank that is missing after a colon, and at the indentation",
    ),
    (
        r"expected <block end>, but found '<?(block|-|\?)",
        "this is not indented like the lines that it belongs to",
    ),
    ("could not find expected ':'", "this is no key; look for a colon that is missing"),
    ("but found another document", "a file is one document; here another begins"),
    ("found unexpected end of stream", "a quote is not closed"),
)


def without_tabs(text: str) -> str:
    """JSON as YAML takes it: tabs between its values become blanks, one each, so that all keeps its place."""
    if text.lstrip("\ufeff \t\r\n")[:1] not in ("[", "{"):
        return text
    return _QUOTED_OR_TAB.sub(lambda found: " " if found[1] else found[0], text)


def sentence(error: yaml.MarkedYAMLError) -> str:
    """What is wrong."""
    said = "; ".join(part for part in (error.problem, error.context) if part)
    for pattern, words in _SENTENCES:
        if found := re.search(pattern, said):
            return found.expand(words)
    return said


def foreign_comment(text: str) -> tuple[int, int] | None:
    """Line and column, from 1, of the first comment as other languages have it."""
    for number, line in enumerate(text.split("\n"), 1):
        begin = line.lstrip()
        if begin.startswith(("//", "/*")):
            return number, len(line) - len(begin) + 1
    return None
