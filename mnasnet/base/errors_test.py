"""Tests of errors.py."""

from mnasnet.base.errors import RequestError, rename_fields


def test_a_request_error_names_field_and_value() -> None:
    error = RequestError("give at least 16; or a larger `width`", field="image_size", value=5)
    assert str(error) == "`image_size` 5: give at least 16; or a larger `width`"
    assert (error.field, error.value) == ("image_size", 5)


def test_a_message_without_a_field_stands_alone() -> None:
    error = RequestError("cat.jpg is not an image: give a JPEG or PNG file")
    assert str(error) == "cat.jpg is not an image: give a JPEG or PNG file"
    assert error.field is None


def test_the_command_line_writes_fields_as_flags_and_leaves_other_quotes_alone() -> None:
    said = rename_fields(
        "`image_size` 5: see `mnasnet zoo` or raise `width`", lambda name: "--" + name.replace("_", "-")
    )
    assert said == "--image-size 5: see `mnasnet zoo` or raise --width"
