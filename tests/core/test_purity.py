"""What import-linter can't say: the core imports nothing but what is named here, and asks nobody for the time."""

import ast
import sys
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "agent" / "core"
MODULES = sorted(CORE.glob("*.py"))
STANDARD = {
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "itertools",
    "json",
    "re",
    "typing",
    "zlib",
}
CRYPTOGRAPHY = {
    "ECDSA",
    "Ed25519PublicKey",
    "EllipticCurvePublicKey",
    "InvalidSignature",
    "SECP256R1",
    "encode_dss_signature",
    "hashes",
}
ASKING = {"now", "utcnow", "today", "open", "print", "input", "exec", "eval", "__import__"}
NAMED = {"ids": lambda path: path.name}


def imports(tree: ast.Module):
    """Every import as (package, name); name is empty for a plain import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((str(node.module).partition(".")[0], alias.name) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, **NAMED)
def test_the_core_imports_itself_the_standard_library_and_what_verifies(path):
    for package, name in imports(ast.parse(path.read_text())):
        if package == "cryptography":
            assert name in CRYPTOGRAPHY, f"{name} does more than verify"
        else:
            assert package in STANDARD | {"agent"}, f"{package} is not for the core"
            assert package == "agent" or package in sys.stdlib_module_names


@pytest.mark.parametrize("path", MODULES, **NAMED)
def test_the_core_asks_no_clock_and_touches_no_file(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in ASKING, f"line {node.lineno} calls {called}"
