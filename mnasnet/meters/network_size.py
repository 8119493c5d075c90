"""For which images, how many classes and how wide networks are made."""

from dataclasses import dataclass

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.networks import MOBILENET_V2
from mnasnet.base.errors import RequestError


@dataclass(frozen=True, kw_only=True)
class NetworkSize:
    """What the networks of a space, its reference and those of the zoo share when they are measured together."""

    image_size: int
    """Side of the images in pixels, 16 to 1024."""
    width: float
    """Multiplies all filters, 0.05 to 8."""
    classes: int
    in_channels: int
    """3 for colour, 1 for grey."""

    def __post_init__(self) -> None:
        if not 16 <= self.image_size <= 1024:
            raise RequestError(f"--image-size {self.image_size}: give 16 to 1024")
        if not 0.05 <= self.width <= 8:
            raise RequestError(f"--width {self.width}: give 0.05 to 8")
        for flag, value in (("--classes", self.classes), ("--in-channels", self.in_channels)):
            if value < 1:
                raise RequestError(f"{flag} {value}: give a whole number of at least 1")

    @property
    def reference(self) -> Architecture:
        """MobileNetV2 of this size: what others are timed against."""
        return self.resize(MOBILENET_V2)

    def resize(self, architecture: Architecture) -> Architecture:
        """The network of this size."""
        return architecture.sized(
            image_size=self.image_size,
            in_channels=self.in_channels,
            classes=self.classes,
            width=self.width,
        )
