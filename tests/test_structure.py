"""Rules about the code itself that no import contract can express."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("bot", "handlers", "routing", "storage")


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def _writes_status(node: ast.AST) -> bool:
    """An assignment to `something.status`, or `status=` given to ServiceRequest or an UPDATE."""
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(
            isinstance(leaf, ast.Attribute) and leaf.attr == "status"
            for target in targets
            for leaf in ast.walk(target)
        )
    if isinstance(node, ast.Call):
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        return called in ("ServiceRequest", "values") and any(word.arg == "status" for word in node.keywords)
    return False


def test_a_status_is_written_only_in_lifecycle() -> None:
    writers = {
        name
        for name, module in _modules()
        if not name.startswith("bot/sandbox")
        for node in ast.walk(module)
        if _writes_status(node)
    }
    assert writers == {"handlers/lifecycle.py"}


def test_the_check_would_notice() -> None:
    for line in (
        "request.status = 1",
        "a.status, b = 1, 2",
        "ServiceRequest(status=1)",
        "update(x).values(status=1)",
    ):
        assert any(_writes_status(node) for node in ast.walk(ast.parse(line))), line


def test_every_module_says_what_it_is_for() -> None:
    silent = [name for name, module in _modules() if not ast.get_docstring(module)]
    assert silent == []


def test_no_handler_waits_for_anything_but_the_store() -> None:
    imported = {
        f"{name}: {alias.name}"
        for name, module in _modules()
        if name.startswith("handlers/")
        for node in ast.walk(module)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert not [one for one in imported if "asyncio" in one or "aiohttp" in one or "time" in one.split()]
