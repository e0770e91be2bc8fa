"""How long a text a Jinja template may make, told from its statements before it is ever filled in.

What a template is given counts as one, and what it makes of that is followed from statement to statement, rather too much than
too little: a loop has a hundred turns for all that it is given, the longer branch counts, and a filter that may lengthen a
text does. A template is refused if a text, or its turns, come to too much, if what it keeps from one turn of a loop to the
next may double there, or if it calls itself twice. Left out: exact lengths; how the parts of a text share it is an average.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.ext import Extension

# Numbers in a template count turns and widths
LARGEST_NUMBER = 10_000
# Bounds: of a value and of all that is written, as multiples of what the template is given; of turns of loops within each
# other; of our own steps
MOST_MADE, MOST_WRITTEN, MOST_TURNS, MOST_STEPS = 10_000, 1_000_000, 5_000_000, 20_000
# Turns of a loop over all that is given, and characters of literal text that count as much as that
TURNS, CHARACTERS = 100, 1_000

_BRIEF = {
    "startswith", "endswith", "find", "rfind", "index", "count", "length", "isdigit", "isspace", "isalpha", "isnumeric",
    "int", "float", "abs", "round",
}  # fmt: skip
_NO_LONGER = {
    "split", "rsplit", "splitlines", "partition", "rpartition", "strip", "lstrip", "rstrip", "trim", "lower", "upper", "title",
    "capitalize", "removeprefix", "removesuffix", "get", "items", "keys", "values", "first", "last", "list", "default", "d",
    "sort", "reverse", "unique", "dictsort", "select", "selectattr", "reject", "rejectattr", "safe", "min", "max",
    "batch", "groupby", "attr",
}  # fmt: skip
# Of what chat templates know, what a judge is never given
_NOT_GIVEN = {"tools", "documents", "tool_calls", "tool_responses"}
# What could be called under another name, where it would not be recognized
_BY_NAME_ONLY = ("namespace", "self", "lipsum")

_Path = tuple[str | None, ...]


class _GrowthError(ValueError):
    """What a template could do; with the line."""

    def __init__(self, problem: str, node: nodes.Node) -> None:
        super().__init__(f"{problem} (line {node.lineno})")


def growth_of(template: str) -> str | None:
    """Say how a Jinja template could make a text of any length, or that it is none; None if all is well.

    Example:
        >>> growth_of("{{ 'a' * 10000000000 }}"), growth_of("{{ messages[0]['content'] }}")
        ('multiplies (line 1)', None)
        >>> growth_of("{% set n = namespace(a='a') %}{% for m in messages %}{% set n.a = n.a ~ n.a %}{% endfor %}")
        'could double n.a with each turn of a loop (line 1)'
    """
    try:
        tree = Environment(extensions=[_Generation, "jinja2.ext.loopcontrols"]).parse(template)
        _check_numbers(tree)
        _Follower.of(tree).text(tree.body)
    except (TemplateSyntaxError, RecursionError) as error:
        return f"cannot be read ({error})"
    except _GrowthError as error:
        return str(error)
    return None


def _check_numbers(tree: nodes.Template) -> None:
    for node in tree.find_all((nodes.Mul, nodes.Pow, nodes.Const)):
        if not isinstance(node, nodes.Const):
            raise _GrowthError("multiplies", node)
        number = node.value if isinstance(node.value, int | float) else max(map(int, _widths(node.value)), default=0)
        if abs(number) > LARGEST_NUMBER:
            raise _GrowthError(f"has the number {number}, more than {LARGEST_NUMBER},", node)


def _widths(text: Any) -> list[str]:
    """Numbers in a text that may be a format, such as ``%9999d``."""
    return re.findall(r"[%{][^%{}]*?([0-9]{1,4000})", text) if isinstance(text, str) else []


class _Generation(Extension):
    """The tag by which templates tell transformers what an assistant says."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> Any:
        """Read what is between the tags as if they were not there."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


@dataclass
class _Follower:
    """Carries out a template on sizes instead of texts.

    Attributes:
        macros: By name.
        kept: Attributes of namespaces, such as ``n.a``, which alone outlive a turn of a loop.
        missing: Variables and keys that there are not.
        sizes: Of variables and of what is kept; what was not set was given. Of ``m()``: how often macro m called itself.
        spaces: The namespaces.
        parts: Variables that hold the macro's first argument or a part of it, and how that is reached; None for each of it.
        met: Of each macro, the parts that it called itself with.
        entered: The macros within each other now: the size of what each was called with, the turns and the loops then.
        loops: How many are within each other now.
        turns: How often what is followed now is carried out.
        steps: How many nodes were followed.
    """

    macros: dict[str, nodes.Macro]
    kept: set[str]
    missing: set[str]
    sizes: dict[str, float] = field(default_factory=dict)
    spaces: set[str] = field(default_factory=set)
    parts: dict[str, _Path] = field(default_factory=dict)
    met: dict[str, set[_Path]] = field(default_factory=dict)
    entered: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    loops: int = 0
    turns: float = 1
    steps: int = 0

    @classmethod
    def of(cls, tree: nodes.Template) -> "_Follower":
        macros: dict[str, nodes.Macro] = {}
        for macro in tree.find_all(nodes.Macro):
            if macro.name in macros:
                raise _GrowthError(f"has two macros {macro.name}", macro)
            macros[macro.name] = macro
        return cls(macros, {f"{one.name}.{one.attr}" for one in tree.find_all(nodes.NSRef)}, _NOT_GIVEN - _made(tree))

    # Statements: the size of what they write

    def text(self, body: Iterable[nodes.Node]) -> float:
        return sum(map(self.statement, body))

    def statement(self, node: nodes.Node) -> float:
        written = self._statement(node)
        if written > MOST_WRITTEN:
            raise _GrowthError(f"could write more than {MOST_WRITTEN} times what it is given", node)
        return written

    def _statement(self, node: nodes.Node) -> float:
        match node:
            case nodes.Output():
                return sum(map(self.size, node.nodes))
            case nodes.Assign(target=nodes.Name(name=name), node=nodes.Call(node=nodes.Name(name="namespace")) as call):
                self.spaces.add(name)
                if call.args or call.dyn_kwargs:
                    raise _GrowthError("fills a namespace with what has no names", node)
                for keyword in call.kwargs:
                    self.sizes[f"{name}.{keyword.key}"] = self.size(keyword.value)
                return 0
            case nodes.Assign():
                self._assign(node.target, self.size(node.node))
                return 0
            case nodes.AssignBlock():
                with self._scope():
                    size = self.text(node.body)
                self._assign(node.target, size if node.filter is None else self._filtered(node.filter, size))
                return 0
            case nodes.If():
                self.size(node.test)
                return self._longest([node.body, *([one] for one in node.elif_), node.else_])
            case nodes.For():
                return self._loop(node)
            case nodes.Macro() | nodes.Break() | nodes.Continue():
                return 0
            case nodes.CallBlock():
                with self._scope():
                    self.sizes["caller"] = self.text(node.body)
                    return self.size(node.call)
            case nodes.FilterBlock():
                with self._scope():
                    return self._filtered(node.filter, self.text(node.body))
            case nodes.With():
                with self._scope():
                    for target, value in zip(node.targets, node.values, strict=True):
                        self._assign(target, self.size(value))
                    return self.text(node.body)
        raise _GrowthError(f"has a statement ({type(node).__name__}) that no chat needs", node)

    @contextmanager
    def _scope(self) -> Iterator[None]:
        """What is set in here is forgotten, but for what is kept."""
        before, self.parts, parts = dict(self.sizes), dict(self.parts), self.parts
        yield
        self.parts = parts
        lasting = {name: size for name, size in self.sizes.items() if name in self.kept or name.endswith("()")}
        self.sizes = before | lasting

    def _assign(self, target: nodes.Node, size: float) -> None:
        _check_made(size, target)
        for name in target.find_all((nodes.Name, nodes.NSRef)) if isinstance(target, nodes.Tuple) else [target]:
            if isinstance(name, nodes.NSRef):
                self.sizes[f"{name.name}.{name.attr}"] = size
            elif isinstance(name, nodes.Name):
                if name.name in self.macros or name.name in self.spaces:
                    raise _GrowthError(f"gives {name.name} another meaning", name)
                self.sizes[name.name] = size
                self.parts.pop(name.name, None)

    def _longest(self, branches: Sequence[Sequence[nodes.Node]]) -> float:
        before, after, written = self.sizes, dict(self.sizes), 0.0
        met, all_met = self.met, {name: set(paths) for name, paths in self.met.items()}
        for branch in branches:
            self.sizes, self.met = dict(before), {name: set(paths) for name, paths in met.items()}
            written = max(written, self.text(branch))
            for name, size in self.sizes.items():
                after[name] = max(size, after.get(name, 0.0))
            for name, paths in self.met.items():
                all_met.setdefault(name, set()).update(paths)
        self.sizes, self.met = after, all_met
        return written

    def _loop(self, node: nodes.For) -> float:
        if _key(node.iter) in self.missing:
            return self.text(node.else_)
        if node.recursive:
            raise _GrowthError("has a loop that calls itself", node)
        size, outside = self.size(node.iter), self.turns
        turns = max(2.0, TURNS * size)
        self.turns = outside * turns
        if self.turns > MOST_TURNS:
            raise _GrowthError(f"could take more than {MOST_TURNS} turns", node)

        def turn() -> float:
            with self._scope():
                path = self._path(node.iter)
                self._assign(node.target, size / turns)
                if path is not None:
                    names = [node.target] if isinstance(node.target, nodes.Name) else node.target.find_all(nodes.Name)
                    self.parts |= {one.name: (*path, None) for one in names}
                self.sizes["loop"] = size / turns
                if node.test is not None:
                    self.size(node.test)
                return self.text(node.body)

        self.loops += 1
        written = turns * self._repeated(turn, turns, node)
        self.turns, self.loops = outside, self.loops - 1
        return max(written, self.text(node.else_))

    def _path(self, node: nodes.Node | None) -> _Path | None:
        """How a value is reached from the macro's first argument; None if it is no part of it."""
        match node:
            case nodes.Name(name=name):
                return self.parts.get(name)
            case nodes.Getattr(attr=key) | nodes.Getitem(arg=nodes.Const(value=str(key))):
                path = self._path(node.node)
                return None if path is None else (*path, key)
            case nodes.Filter(name="dictsort" | "items" | "list"):
                return self._path(node.node)
            case nodes.Call(node=nodes.Getattr(node=owner, attr="items" | "values"), args=[]):
                return self._path(owner)
        return None

    def _repeated(self, turn: Any, turns: float, node: nodes.Node) -> float:
        """Carry out once what is repeated; what is kept may grow there by what is added to it, not by itself."""
        before = {name: self.sizes.get(name, 0.0) for name in self.kept}
        calls = {name: size for name, size in self.sizes.items() if name.endswith("()")}
        met = {name: set(paths) for name, paths in self.met.items()}
        self.sizes |= dict.fromkeys(self.kept, 0.0)
        turn()
        added, self.met = {name: self.sizes[name] for name in self.kept}, met
        marks = {name: 1 + index / 1000 for index, name in enumerate(sorted(self.kept))}
        self.sizes |= marks | calls
        written = turn()
        for name in self.kept:
            found = self.sizes[name] - added[name]
            if found > 1.5:
                raise _GrowthError(f"could double {name} with each turn of a loop", node)
            # The mark tells whose size it has from the turn before
            whose = [one for one, mark in marks.items() if abs(found - mark) < 1e-4]
            most = added[name]
            if found > 0.5:
                most = max(before[one] for one in whose or before) + turns * added[name]
            _check_made(most, node)
            self.sizes[name] = max(before[name], most)
        return written

    # Expressions: the size of their values

    def size(self, node: nodes.Node) -> float:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise _GrowthError("is too involved to be followed", node)
        return _check_made(self._size(node), node)

    def _size(self, node: nodes.Node) -> float:
        match node:
            case nodes.Const():
                return len(node.value) / CHARACTERS if isinstance(node.value, str) else 0.0
            case nodes.TemplateData():
                return len(node.data) / CHARACTERS
            case nodes.Name():
                return self._named(node)
            case nodes.Getattr(node=nodes.Name(name=name), attr=attribute) if name in self.spaces:
                return self.sizes.get(f"{name}.{attribute}", 0.0)
            case nodes.Getattr():
                return self.size(node.node)
            case nodes.Getitem(node=nodes.Name(name=name), arg=nodes.Const(value=str(attribute))) if (
                name in self.spaces
            ):
                return self.sizes.get(f"{name}.{attribute}", 0.0)
            case nodes.Getitem():
                self.size(node.arg)
                return self.size(node.node)
            case nodes.Mod():
                return self._formatted(node.left, self.size(node.left), [node.right])
            case nodes.Compare() | nodes.Test() | nodes.Not() | nodes.Slice():
                sum(map(self.size, node.iter_child_nodes()))
                return 0.0
            case nodes.And() | nodes.Or():
                return max(self.size(node.left), self.size(node.right))
            case nodes.CondExpr():
                self.size(node.test)
                return max(self.size(node.expr1), 0.0 if node.expr2 is None else self.size(node.expr2))
            case nodes.Filter():
                return self._filtered(node)
            case nodes.Call():
                return self._call(node)
        return sum(map(self.size, node.iter_child_nodes()))

    def _named(self, node: nodes.Name) -> float:
        if node.name in _BY_NAME_ONLY or node.name in self.macros or node.name in self.spaces:
            raise _GrowthError(f"hands on {node.name}", node)
        # Tokens of a tokenizer are short
        return self.sizes.get(node.name, 1 / TURNS if node.name.endswith("_token") else 1.0)

    def _filtered(self, node: nodes.Filter, within: float | None = None) -> float:
        """Of a filter of a value, or of the text between its tags."""
        if node.node is None:
            base = within or 0.0
        elif isinstance(node.node, nodes.Filter):
            base = self._filtered(node.node, within)
        else:
            base = self.size(node.node)
        if node.name == "map" and node.args and isinstance(node.args[0], nodes.Const):
            return self._changed(str(node.args[0].value), None, base, [*node.args[1:], *node.kwargs])
        return self._changed(node.name, node.node, base, [*node.args, *node.kwargs])

    def _call(self, node: nodes.Call) -> float:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise _GrowthError("calls with arguments that are not written out", node)
        given = [*node.args, *node.kwargs]
        match node.node:
            case nodes.Name(name=name) if name in self.macros:
                return self._macro(self.macros[name], node)
            case nodes.Name(name="range"):
                numbers = sum(map(_numbers, given))
                known = all(isinstance(one, nodes.Const) for one in given)
                return numbers / TURNS + (0.0 if known else max(1.0, sum(map(self.size, given))))
            case nodes.Name(name="dict" | "caller" | "joiner" | "cycler" | "raise_exception" | "strftime_now" as name):
                return sum(map(self.size, given)) + self.sizes.get(name, 0.0)
            case nodes.Getattr(node=owner, attr=method):
                return self._changed(method, owner, self.size(owner), given)
        return self._changed("", None, self.size(node.node), given)

    def _changed(self, name: str, owner: nodes.Node | None, base: float, given: Sequence[nodes.Node]) -> float:
        """The size of what a filter or a method makes of a value."""
        sizes = sum(map(self.size, given))
        texts = [one.value for one in given if isinstance(one, nodes.Const) and isinstance(one.value, str)]
        if name in _BRIEF:
            return 0.0
        if name in _NO_LONGER:
            return base + sizes
        if name == "replace" and len(texts) == len(given) == 2:
            old, new = texts
            return base * (max(1.0, len(new) / len(old)) if old else 1 + len(new))
        if name == "join" and len(texts) == len(given) <= 1:
            return base * (1 + sum(map(len, texts)))
        if name == "join" and isinstance(owner, nodes.Const) and isinstance(owner.value, str):
            return sizes * (1 + len(owner.value))
        if name == "format":
            return self._formatted(owner, base, given)
        return (base + sizes) * (2 + sum(map(_numbers, given)) + CHARACTERS * sizes)

    def _formatted(self, pattern: nodes.Node | None, base: float, given: Sequence[nodes.Node]) -> float:
        sizes = sum(map(self.size, given))
        if all(isinstance(one, nodes.Const) and not isinstance(one.value, str) for one in given):
            return base
        text = pattern.value if isinstance(pattern, nodes.Const) else None
        places = text.count("%") + text.count("{") if isinstance(text, str) else TURNS
        return base + sizes * max(1, places)

    def _macro(self, macro: nodes.Macro, node: nodes.Call) -> float:
        name, calls = macro.name, f"{macro.name}()"
        given = [self.size(one) for one in node.args]
        named = {one.key: self.size(one.value) for one in node.kwargs}
        largest = max([*given, *named.values()], default=0.0)
        if name in self.entered:
            self._call_again(node, name, largest)
            return largest

        def body() -> float:
            with self._scope():
                for one, default in zip(reversed(macro.args), reversed(macro.defaults), strict=False):
                    self.sizes[one.name] = self.size(default)
                for one, size in zip(macro.args, given, strict=False):
                    self.sizes[one.name] = size
                self.parts = {one.name: () for one in macro.args[:1]}
                self.sizes |= named | {"varargs": sum(given), "kwargs": sum(named.values())}
                return self.text(macro.body)

        self.sizes[calls] = 0.0
        self.entered[name], self.met[name] = (largest, self.turns, self.loops), set()
        kept = {one: self.sizes.get(one, 0.0) for one in self.kept}
        written = body()
        if self.sizes[calls] or self.met[name]:
            self.met[name] = set()
            self.sizes |= kept | {calls: 0.0}
            written = self._repeated(body, TURNS, node)
        del self.entered[name]
        return written

    def _call_again(self, node: nodes.Call, name: str, largest: float) -> None:
        """A macro may call itself once, or with parts of what it was called with, each once, which come to an end."""
        before, turns, loops = self.entered[name]
        path = self._path(node.args[0]) if node.args else None
        if path and path.count(None) == self.loops - loops:
            is_new = not any(
                all(a == b or None in (a, b) for a, b in zip(path, one, strict=False)) for one in self.met[name]
            )
            self.met[name].add(path)
        else:
            is_new = True
            self.sizes[f"{name}()"] = self.sizes.get(f"{name}()", 0.0) + self.turns / turns
        if not is_new or largest > 1.5 * before or self.sizes[f"{name}()"] + bool(self.met[name]) > 1:
            raise _GrowthError(f"could call the macro {name} without end", node)


def _check_made(size: float, node: nodes.Node) -> float:
    if size > MOST_MADE:
        raise _GrowthError(f"could make more than {MOST_MADE} times what it is given", node)
    return size


def _numbers(node: nodes.Node) -> float:
    """The sum of the numbers that are written in an expression."""
    found = [node, *node.find_all(nodes.Const)]
    return sum(abs(one.value) for one in found if isinstance(one, nodes.Const) and isinstance(one.value, int | float))


def _key(node: nodes.Node) -> str | None:
    """The name of a variable, or the key by which something is taken out of another."""
    match node:
        case nodes.Name(name=key) | nodes.Getattr(attr=key) | nodes.Getitem(arg=nodes.Const(value=str(key))):
            return str(key)
        case nodes.Call(node=nodes.Getattr(attr="get"), args=[nodes.Const(value=str(key)), *_]):
            return key
    return None


def _made(tree: nodes.Template) -> set[str]:
    """Names and keys that a template itself sets; all that it is not given, if it sets keys that are not written out."""
    pairs = [one.key for one in tree.find_all(nodes.Pair)]
    if not all(isinstance(key, nodes.Const) for key in pairs) or any(
        one.name == "dict" for one in tree.find_all(nodes.Name)
    ):
        return _NOT_GIVEN
    keys = {str(key.value) for key in pairs if isinstance(key, nodes.Const)}
    return (
        keys
        | {one.name for one in tree.find_all(nodes.Name) if one.ctx != "load"}
        | {one.attr for one in tree.find_all(nodes.NSRef)}
        | {one.key for one in tree.find_all(nodes.Keyword)}
    )
