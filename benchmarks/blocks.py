"""Parts of a page that a script writes: what stands between `<!-- written NAME -->` and `<!-- end -->`.

All other words of the page are a person's, and stay.
"""

import re
from collections.abc import Mapping

BLOCK = re.compile(r"(<!-- written ([a-z0-9-]+) -->)(.*?)(<!-- end -->)", re.DOTALL)


def fill(page: str, parts: Mapping[str, str]) -> str:
    """The page with each of its parts written anew: those of several lines as a paragraph of their own.

    Raises:
        ValueError: a part has no place in the page, or a place has no part.
    """
    places = {name for _, name, _, _ in BLOCK.findall(page)}
    if places != parts.keys():
        raise ValueError(f"the page has places for {sorted(places)}, and is given {sorted(parts)}")

    def written(block: re.Match[str]) -> str:
        begin, name, before, end = block.groups()
        is_paragraph = before.startswith("\n")
        return f"{begin}\n\n{parts[name]}\n\n{end}" if is_paragraph else f"{begin}{parts[name]}{end}"

    return BLOCK.sub(written, page)
