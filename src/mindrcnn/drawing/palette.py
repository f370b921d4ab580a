"""Class colours: the same in every picture, and well apart from those of the preceding classes."""

from __future__ import annotations

import colorsys

Colour = tuple[int, int, int]  # RGB 0..255

GOLDEN_RATIO = 0.618034  # hue step that spreads any number of hues evenly
TONES = ((0.85, 1.0), (1.0, 0.75), (0.55, 1.0))  # (saturation, value), so that similar hues differ in tone
CROWD: Colour = (128, 128, 128)
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)

# Weight of each channel in perceived brightness (Rec. 709).
LUMINANCE = (0.2126, 0.7152, 0.0722)


def class_colour(label: int) -> Colour:
    """Returns the RGB colour of a label, 1..K."""
    saturation, value = TONES[(label - 1) % len(TONES)]
    red, green, blue = colorsys.hsv_to_rgb((label - 1) * GOLDEN_RATIO % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def relative_luminance(colour: Colour) -> float:
    """Computes the relative luminance of WCAG 2, 0..1, in linear light."""
    linear = [value / 255 / 12.92 if value <= 10 else ((value / 255 + 0.055) / 1.055) ** 2.4 for value in colour]
    return sum(share * value for share, value in zip(LUMINANCE, linear, strict=True))


def contrast(first: Colour, second: Colour) -> float:
    """Computes the contrast ratio of WCAG 2, from 1 (equal) to 21 (black on white)."""
    low, high = sorted((relative_luminance(first), relative_luminance(second)))
    return (high + 0.05) / (low + 0.05)


def text_colour(background: Colour) -> Colour:
    """Returns black or white, whichever stands out more."""
    return max((BLACK, WHITE), key=lambda colour: contrast(colour, background))
