"""Setup: what a search fixed at its start, as data in its study."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from mnasnet.base.errors import RequestError
from mnasnet.measures.latency import Latency, latency_from_json
from mnasnet.measures.limits import LATENCY, Limit, limit_on
from mnasnet.measures.qualities import QUALITIES
from mnasnet.measures.quality import QualityMeasure
from mnasnet.measures.reward import REWARDS, Reward
from mnasnet.study.identity import differences

SETUP = "setup"
"""User attribute of the study that holds its `Setup`."""

VERSION = 2
"""Of the form of a study. Version 1 knew accuracy and a limit on latency alone, and did not say its version."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The objectives, limits and conditions of a search; every resume reads it."""

    identity: Mapping[str, Any]
    """What makes it this search and no other: data, space, sizes, device, reward, sampler, seed and so on."""
    quality: str = "accuracy"
    """Name in `QUALITIES` of the objective that is maximised."""
    reward: str
    """Name in `REWARDS`."""
    target_ms: float
    """Latency, the objective that is minimised, aimed at."""
    target_given: bool
    """False where the target is what the reference takes on this device."""
    limits: Mapping[str, float]
    """The most that a network may cost to be trained, by the name of the cost; latency is always limited."""
    reference: Latency
    """MobileNetV2 at the same width and image size: what candidates are timed against."""
    smallest_ms: float
    """Latency of the network with the fewest multiply-adds in the space."""
    command: str
    """What began the search."""
    data: str = "not noted"
    """The images, as they were asked for."""

    @property
    def max_ms(self) -> float:
        """Networks slower than this are not trained."""
        return self.limits[LATENCY]

    @property
    def quality_measure(self) -> QualityMeasure:
        """The objective that is maximised."""
        return QUALITIES[self.quality]

    def make_limits(self) -> dict[str, Limit]:
        """The limits by the name of the cost."""
        return {name: limit_on(name, most) for name, most in self.limits.items()}

    def make_reward(self, target_ms: float | None = None) -> Reward:
        """The search's reward, or the same for another target.

        Raises:
            RequestError: the target is no positive time.
        """
        return REWARDS[self.reward](self.target_ms if target_ms is None else target_ms)


def read_setup(study: optuna.Study) -> Setup | None:
    """The setup that the study holds; None where a search was begun but not yet set up.

    Raises:
        RequestError: a later version of mnasnet wrote it.
    """
    data = study.user_attrs.get(SETUP)
    if data is None:
        return None
    data = dict(data)
    version = data.pop("version", 1)
    if version > VERSION:
        raise RequestError(
            f"the study is of version {version}, and this version of mnasnet knows studies up to {VERSION}: take a "
            "newer mnasnet"
        )
    if version == 1:
        identity = {**data["identity"], "quality": "accuracy", "max_mb": None}
        if "batch" in identity:
            identity["ppo_batch"] = identity.pop("batch")
        data |= {"identity": identity, "limits": {LATENCY: data.pop("max_ms")}}
    return Setup(**{**data, "reference": latency_from_json(data["reference"])})


def write_setup(study: optuna.Study, setup: Setup) -> None:
    """Keep the setup in the study."""
    fields = {field.name: getattr(setup, field.name) for field in dataclasses.fields(setup)}
    study.set_user_attr(SETUP, {"version": VERSION, **fields, "reference": setup.reference.to_json()})


def check_identity(setup: Setup, identity: Mapping[str, Any], *, where: str) -> None:
    """Nothing, where `identity` is that of the search that is kept.

    Raises:
        RequestError: it is another search; `where` says in the message what is occupied.
    """
    if (said := differences(setup.identity, identity)) is not None:
        raise RequestError(
            f"{where} holds another search: {said}; choose another `out`, or give what that search was begun with"
        )
