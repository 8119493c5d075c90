"""The card of a device in words: its cores, runtimes, clock and heat."""

from collections.abc import Iterator

from mnasnet.arch.records import DeviceCard


def device_card_lines(card: DeviceCard) -> Iterator[str]:
    """The card in words."""
    yield f"device: {card.name}, {card.system}, {card.abi}"
    yield f"runtime: {', '.join(card.runtimes)}; {card.clock}, threads: {card.threads}"
    for cluster in card.clusters:
        most_mhz = cluster[0].most_mhz
        speed = "frequency not told" if most_mhz is None else f"up to {most_mhz:.0f} MHz"
        numbers = ", ".join(str(core.number) for core in cluster)
        governors = {core.governor for core in cluster}
        governor = ", ".join(sorted(one or "not told" for one in governors))
        yield f"cores {numbers}: {speed}, governor {governor}"
    pinned = ", ".join(map(str, card.pinned))
    yield "measurements are not pinned" if not card.pinned else f"measurements run on core {pinned}"
    yield "temperature: " + ("not told" if card.temperature_c is None else f"{card.temperature_c:.0f} °C")
