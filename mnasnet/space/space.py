"""`Space`: what may be chosen, and how choices and architectures become each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from optuna.distributions import CategoricalDistribution

from mnasnet.arch.architecture import Architecture

Choice = str | int | float
Params = Mapping[str, Choice]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many networks a space holds."""

    nominal: int
    """Product of the numbers of options."""
    distinct: int | None
    """Networks that differ, by `Architecture.digest`; None where a space does not count them."""


class Space(Protocol):
    """A set of architectures, each reached by one option for every named choice.

    Promises: `decode` serves every combination of options and returns a canonical architecture; `encode` finds
    the choices of every architecture of the space, so `decode(encode(a))` is the network `a`; `canonical(p) ==
    canonical(q)` exactly where `decode(p)` and `decode(q)` are the same network. Two architectures are the same
    network where their digests are equal. `SpaceContract` in `space_contract.py` holds a space to all this.
    """

    @property
    def name(self) -> str:
        """What a study calls the space; two that read the same choices differently need different names."""
        ...

    @property
    def distributions(self) -> Mapping[str, CategoricalDistribution]:
        """The choices, in the order in which a controller makes them."""
        ...

    def decode(self, params: Params) -> Architecture:
        """The architecture of `params`, in which choices that do not matter may be missing.

        Raises:
            ValueError: a choice that matters is missing or has an option that the space does not offer.
        """
        ...

    def encode(self, architecture: Architecture) -> Params:
        """The canonical choices that give `architecture`.

        Raises:
            ValueError: the architecture is not in the space.
        """
        ...

    def canonical(self, params: Params) -> Params:
        """The choices that matter given the others, the same for every way to choose the same network."""
        ...

    def size(self) -> Size:
        """How many networks there are; counting the distinct ones may take a second."""
        ...


def option(params: Params, name: str, distributions: Mapping[str, CategoricalDistribution]) -> Choice:
    """The option that `params` holds under `name`.

    Raises:
        ValueError: it is missing or not among the options.
    """
    choices = distributions[name].choices
    if name not in params:
        raise ValueError(f"the choice {name!r} is missing; its options are {choices}")
    if params[name] not in choices:
        raise ValueError(f"{name}={params[name]!r} is not an option; the options are {choices}")
    return params[name]
