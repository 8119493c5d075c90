"""Tests of errors.py, and that every error of the package comes from one of its two roots."""

import ast
from pathlib import Path

import pytest

import mnasnet
from mnasnet.base.errors import RequestError, RunError, rename_fields


def test_a_request_error_names_field_and_value() -> None:
    error = RequestError("give at least 16; or a larger `width`", field="image_size", value=5)
    assert str(error) == "`image_size` 5: give at least 16; or a larger `width`"
    assert (error.field, error.value) == ("image_size", 5)


@pytest.mark.parametrize(
    ("value", "shown"), [("", "''"), ("a\nb", r"'a\nb'"), ("two words", "two words"), (0.5, "0.5")]
)
def test_a_value_is_shown_on_one_line_whatever_it_is(value: object, shown: str) -> None:
    assert str(RequestError("give another", field="name", value=value)) == f"`name` {shown}: give another"


def test_a_message_without_a_field_stands_alone() -> None:
    error = RequestError("cat.jpg is not an image: give a JPEG or PNG file")
    assert str(error) == "cat.jpg is not an image: give a JPEG or PNG file"
    assert error.field is None


def test_the_command_line_writes_fields_as_flags_and_leaves_other_quotes_alone() -> None:
    said = rename_fields(
        "`image_size` 5: see `mnasnet zoo` or raise `width`", lambda name: "--" + name.replace("_", "-")
    )
    assert said == "--image-size 5: see `mnasnet zoo` or raise --width"


def bases_of_errors() -> dict[str, list[str]]:
    """The names of the classes that each error of the package is made of, by its own name; not those of tests.

    What begins with an underscore is a signal within a module, and is met nowhere else.
    """
    bases = {}
    for path in Path(mnasnet.__file__).parent.rglob("*.py"):
        if not path.name.endswith("_test.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and node.name.endswith("Error") and node.name[0] != "_":
                    bases[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return bases


def roots(name: str, bases: dict[str, list[str]]) -> list[str]:
    """The last of its ancestors that the package defines."""
    above = [base for base in bases[name] if base in bases]
    return [root for base in above for root in roots(base, bases)] if above else [name]


def test_every_error_has_one_of_the_two_roots() -> None:
    bases = bases_of_errors()
    assert len(bases) > 5
    found = {name: roots(name, bases) for name in bases}
    assert {name: of for name, of in found.items() if of not in (["RequestError"], ["RunError"])} == {}
    assert issubclass(RequestError, ValueError)
    assert not issubclass(RunError, ValueError)
