"""The counts that a run ends with: objects and images of each class."""

from __future__ import annotations

from collections import Counter

from mindrcnn.tasks.results.result import Found


class Summary:
    """Counts the objects of each class, the images that show it, and the most in one image."""

    def __init__(self) -> None:
        self.images = 0
        self._objects: Counter[str] = Counter()
        self._showing: Counter[str] = Counter()
        self._most: Counter[str] = Counter()

    def add(self, found: Found) -> None:
        """Counts an image."""
        self.images += 1
        counts = Counter(found.detections.class_names)
        self._objects.update(counts)
        self._showing.update(counts.keys())
        self._most |= counts

    def lines(self) -> list[str]:
        """Returns a table of the classes that were found, the most frequent first, with a last line for all."""
        if not self._objects:
            return [f"no objects in {self.images} images"]
        rows = [("class", "objects", "images", "most in one")]
        for name, count in sorted(self._objects.items(), key=lambda item: (-item[1], item[0])):
            rows.append((name, str(count), str(self._showing[name]), str(self._most[name])))
        rows.append(("all", str(self._objects.total()), str(self.images), ""))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return [
            "  ".join(
                cell.ljust(width) if place == 0 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
