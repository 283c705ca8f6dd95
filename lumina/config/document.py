"""
YAML read so that each value remembers its position in the file.

Keys given twice, keys that are not text or whole numbers, and values that YAML
cannot make sense of are found here, all of them, with their positions.
"""

import re
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

from lumina.config import yaml_text

#: From the top of a file to a key or a value in it.
KeyPath = tuple[str | int, ...]

#: What is wrong in plain data: where, and a sentence.
Finding = tuple[KeyPath, str]

#: A mapping as YAML has it, whatever is in it.
Plain = dict[Any, Any]

#: YAML 1.1 takes 1:30 for 90 and 010 for 8: nobody who writes that means it. Addresses come as 0x1F40 too.
_DECIMAL = r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:e[-+]?[0-9]+)?|[-+]?\.[0-9]+|[-+]?\.(?:inf|nan)"
_PLAIN_NUMBER = re.compile(rf"0x[0-9A-F]+|{_DECIMAL}", re.IGNORECASE)
_FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # not every build has it
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class Position(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


class Problem(NamedTuple):
    """What is wrong, where; `path` leads from the top of the file to the key."""

    position: Position
    path: KeyPath
    sentence: str


class Document:
    """
    A YAML file as plain data.

    @ivar data: dicts, lists and scalars; `None` for an empty file.
    @ivar positions: where each path is: a scalar at its value, all else at its key.
    @ivar keys: where the key of each path is.
    @ivar problems: what was wrong with the YAML itself.
    """

    def __init__(self, text: str) -> None:
        self.data: Any = None
        self.positions: dict[KeyPath, Position] = {(): Position(1, 1)}
        self.keys: dict[KeyPath, Position] = {(): Position(1, 1)}
        self.problems: list[Problem] = []
        try:
            self._loader, node = _composed(yaml_text.without_tabs(text))
            self.data = None if node is None else self._plain(node, ())
        except yaml.reader.ReaderError as error:
            self._unreadable(text, error)
        except yaml.MarkedYAMLError as error:
            comment = yaml_text.foreign_comment(text)
            if comment:
                self.problems.append(Problem(Position(*comment), (), "a comment begins with #"))
            else:
                self._note(error.problem_mark or error.context_mark, (), yaml_text.sentence(error))
        except RecursionError:
            self.problems.append(
                Problem(Position(1, 1), (), "nested too deeply, or an alias contains itself")
            )

    def position(self, path: KeyPath) -> Position:
        """Where a path is; for what is not in the file, where it would have to be."""
        while path not in self.positions:
            path = path[:-1]
        return self.positions[path]

    def _unreadable(self, text: str, error: yaml.reader.ReaderError) -> None:
        before = text[: error.position].split("\n")
        position = Position(len(before), len(before[-1]) + 1)
        self.problems.append(
            Problem(position, (), f"the character {chr(error.character)!r} is not allowed in YAML")
        )

    def _note(self, mark: Any, path: KeyPath, sentence: str) -> None:
        self.problems.append(Problem(_position(mark), path, sentence))

    def _plain(self, node: Node, path: KeyPath) -> Any:
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._item(child, child, (*path, index)) for index, child in enumerate(node.value)]
        if node.tag in _NUMBERS and not _PLAIN_NUMBER.fullmatch(node.value):
            self._note(
                node.start_mark, path, f"'{node.value}' is no plain number; put it in quotes if it is text"
            )
        try:
            return self._text(self._loader.construct_object(node), node, path)
        except ValueError:  # a date that no calendar has, a number that is none
            self._note(
                node.start_mark, path, f"'{node.value}' makes no sense; put it in quotes if it is text"
            )
        except yaml.constructor.ConstructorError as error:
            self._note(node.start_mark, path, yaml_text.sentence(error))
        return None

    def _text(self, value: Any, node: Node, path: KeyPath) -> Any:
        """A value; what JSON writes as two escapes, such as \\ud83d\\ude00, is one character."""
        if not isinstance(value, str) or not _SURROGATE.search(value):
            return value
        try:
            return value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._note(node.start_mark, path, "one half of a character is missing, \\uD800 to \\uDFFF")
            return _SURROGATE.sub("?", value)

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str | int, Any]:
        self._refuse_twice(node, path)
        self._loader.flatten_mapping(node)
        chosen: dict[str | int, tuple[Node, Node]] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is not None:
                chosen[key] = (key_node, value_node)
        return {key: self._item(*nodes, (*path, key)) for key, nodes in chosen.items()}

    def _item(self, key_node: Node, node: Node, path: KeyPath) -> Any:
        self.keys[path] = _position(key_node.start_mark)
        self.positions[path] = _position((key_node if isinstance(node, MappingNode) else node).start_mark)
        return self._plain(node, path)

    def _key(self, node: Node, path: KeyPath) -> str | int | None:
        key = self._plain(node, path) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(key, str) or type(key) is int:
            return key
        shown = f"'{node.value}'" if isinstance(node, yaml.ScalarNode) else "a list or a mapping"
        self._note(node.start_mark, path, f"{shown} cannot be a key as it is; put it in quotes")
        return None

    def _refuse_twice(self, node: MappingNode, path: KeyPath) -> None:
        """Before keys of others are merged in by `<<`, which one's own may replace."""
        first: dict[tuple[str, str], int] = {}
        for key_node, _ in node.value:
            line = _position(key_node.start_mark).line
            key = key_node.tag, str(key_node.value)
            before = first.get(key)
            first.setdefault(key, line)
            if before is not None and isinstance(key_node, yaml.ScalarNode):
                self._note(
                    key_node.start_mark,
                    (*path, key_node.value),
                    f"the key is here twice, first in line {before}",
                )


def _composed(text: str) -> tuple[Any, Node | None]:
    """
    The nodes of a file, and who makes values of them.

    @raise yaml.YAMLError: as Python's own parser has it, which says more, but
        takes six times as long.
    """
    try:
        loader: Any = _FAST(text)
        return loader, loader.get_single_node()
    except yaml.YAMLError:
        loader = yaml.SafeLoader(text)
        return loader, loader.get_single_node()


def _position(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1)
