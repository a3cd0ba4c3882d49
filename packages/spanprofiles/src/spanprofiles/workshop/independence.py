"""Tells whether tests can run side by side, against copies of a program, and come to what they come to in turn.

They can where no test leaves anything behind for another in its file or in a module beside it. That cannot be told of
every file, so it is told of simple ones: functions, constants, and imports of other people's modules.
"""

from __future__ import annotations

import ast
from collections.abc import Set as AbstractSet
from pathlib import Path

from spanprofiles.workshop.exercise import plain_files
from spanprofiles.workshop.storage import read_learners_file

_MARK = "pytest.mark."


def share_nothing(folder: Path) -> bool:
    """Tell whether the tests in a folder share no state, fixture or module; False where that is not clear.

    Args:
        folder: the folder with the tests.
    """
    files = [path for path in plain_files(folder) if path.suffix == ".py"]
    neighbours = {part.removesuffix(".py") for path in files for part in path.parts}
    tests = [path for path in files if path.name.startswith("test_")]
    return all(_keeps_nothing(read_learners_file(folder / path), neighbours) for path in tests)


def _keeps_nothing(text: str, neighbours: AbstractSet[str]) -> bool:
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(_is_harmless(statement, neighbours) for statement in statements)


def _is_harmless(statement: ast.stmt, neighbours: AbstractSet[str]) -> bool:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return _is_harmless_function(statement)
        case ast.Assign(targets=targets, value=value):
            return _is_constant(value) and all(isinstance(target, ast.Name) for target in targets)
        case ast.Import(names=names):
            return not any(_package(alias.name) in neighbours for alias in names)
        case ast.ImportFrom(module=module, level=level):
            return level == 0 and _package(module or "") not in neighbours
        case ast.Expr(value=ast.Constant()):
            return True
    return False


def _is_harmless_function(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a function is no fixture, has no default value that calls share, and changes nothing but its own."""
    arguments = function.args
    return (
        all(ast.unparse(decorator).startswith(_MARK) for decorator in function.decorator_list)
        and all(_is_constant(value) for value in (*arguments.defaults, *arguments.kw_defaults) if value is not None)
        and not any(_reaches_out(node) for node in ast.walk(function))
    )


def _reaches_out(node: ast.AST) -> bool:
    """Tell whether this changes what others may see, such as ``test.stamps`` or ``os.environ["STAMPS"]``."""
    match node:
        case ast.Global() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Attribute(ctx=context) | ast.Subscript(ctx=context):
            return not isinstance(context, ast.Load)
    return False


def _is_constant(value: ast.expr) -> bool:
    match value:
        case ast.Tuple(elts=elements):
            return all(map(_is_constant, elements))
        case ast.UnaryOp(operand=operand):
            return _is_constant(operand)
        case ast.BinOp(left=left, right=right):
            return _is_constant(left) and _is_constant(right)
    return isinstance(value, ast.Constant)


def _package(module: str) -> str:
    return module.partition(".")[0]
