"""One colour for each region, the same in meshes and pictures."""

# Safe for the colour-blind (Okabe & Ito 2008): orange, sky blue, bluish green, yellow, purple.
REGION_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7")


def region_colour(number: int) -> str:
    """Colour `#RRGGBB` of the region at a place (from 0) of the config's `labels`."""
    return REGION_COLOURS[number % len(REGION_COLOURS)]


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0…255, of `#RRGGBB`."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
