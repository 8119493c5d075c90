"""Identity: what makes a search or a training this one and no other, and how another request differs from it."""

from collections.abc import Mapping
from typing import Any

NO_FIELDS = ("device", "trained on")
"""Parts of an identity that the machine decides."""


def differences(kept: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """How what is asked for differs from what is kept, field by field; None where it does not.

    What an older version did not keep differs from nothing.
    """
    differing = [name for name, value in asked.items() if name in kept and kept[name] != value]
    if "sampler" in differing and "batch" in differing:
        differing.remove("batch")  # it is ppo's alone, and None beside another sampler whatever was given
    return "; ".join(_differs(name, asked.get(name), kept.get(name)) for name in differing) or None


def _differs(name: str, here: object, there: object) -> str:
    """How what is asked for differs from what is kept, by the field of the request where one says it."""
    if name == "data":
        return "its images were others (another `data` or `max_images`, or files that have changed since)"
    if name == "network":
        return "its network was another (another `name`, `width` or `image_size`)"
    if name == "space" and _names_space(here) != _names_space(there):
        here, there = _names_space(here), _names_space(there)
    said = name if name in NO_FIELDS else f"`{name}`"
    return f"{said} {_word(here)} here, {_word(there)} there"


def _names_space(value: object) -> str:
    """The space's name, without the digest of its choices."""
    return str(value).rpartition(" ")[0]


def _word(value: object) -> str:
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
