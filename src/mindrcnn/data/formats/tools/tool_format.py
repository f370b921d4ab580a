"""A data format that is read as the COCO file that it can be written as."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from mindrcnn import paths
from mindrcnn.data.findings import Findings, Kind
from mindrcnn.data.formats.coco.examine import examine_opened
from mindrcnn.data.formats.coco.reader import read_opened
from mindrcnn.data.formats.coco.tables import refuse
from mindrcnn.data.formats.format import DataFormat
from mindrcnn.data.formats.image_files import examination_of_files, require_folder
from mindrcnn.data.formats.layout import SplitFiles, require_root
from mindrcnn.data.formats.tools.coco_rows import CocoRows
from mindrcnn.data.record import Dataset
from mindrcnn.data.survey import Examination
from mindrcnn.errors import InputError
from mindrcnn.messages import shorten

logger = logging.getLogger(__name__)

SHOWN = 3  # names in a message


class ToolFormat(DataFormat):
    """The files of an annotation tool.

    A format states `name`, `has_masks` and `title` and implements `places`, `annotations_at`, `folder` and `write`. Its
    objects are written to a temporary file as COCO JSON, which is read with the checks of any other.
    """

    title: str
    needs_annotations = ""

    @abstractmethod
    def places(self, root: Path, name: str) -> Iterable[Path]:
        """Returns the files or folders in which the tool keeps the annotations of a split."""

    @abstractmethod
    def annotations_at(self, path: Path) -> Path | None:
        """Returns the annotations at an existing path, told by their content; None if they are of another format."""

    @abstractmethod
    def folder(self, root: Path, name: str, annotations: Path) -> Path:
        """Returns the folder that image names are relative to, unless the configuration names one."""

    @abstractmethod
    def write(self, files: SplitFiles, rows: CocoRows) -> None:
        """Adds every image and object to `rows`. Raises InputError if the annotations as a whole cannot be read."""

    def find(self, root: Path, name: str) -> Path | None:
        """Returns the annotations of a split in the tool's layout; None if there are none."""
        for place in self.places(root, name):
            if paths.exists(place) and (found := self.annotations_at(place)) is not None:
                return found
        return None

    def locate(self, *, root: Path, name: str, annotations: str, images: str) -> SplitFiles:
        """Returns the annotations, found by the split's name or at a given path, and the image folder."""
        require_root(root)
        if annotations:
            path = root / annotations
            if not paths.exists(path):
                raise InputError(f"{path}: no such annotations")
            found = self.annotations_at(path)
            if found is None:
                raise InputError(f"{path}: wanted {self.title}, got something else")
        else:
            found = self.find(root, name)
            if found is None:
                listed = ", ".join(str(place.relative_to(root)) for place in self.places(root, name))
                raise InputError(
                    f"{root}: found no {self.title.removeprefix('a ')} of split {name!r}; looked for {listed}"
                )
        return self.files(root, name, found, images)

    def files(self, root: Path, name: str, annotations: Path, images: str) -> SplitFiles:
        """Returns the files of annotations that `annotations_at` found. Raises InputError without an image folder."""
        folder = root / images if images else self.folder(root, name, annotations)
        require_folder(folder, meaning=f"the images of {annotations}")
        return SplitFiles(annotations, folder, split=name)

    def convert(
        self,
        files: SplitFiles,
        file: BinaryIO,
        *,
        classes: Sequence[str] = (),
        malformed: Callable[[InputError], None] = refuse,
    ) -> CocoRows:
        """Writes the split as COCO JSON to `file`; returns the finished rows.

        files: the split.
        file: an empty file.
        classes: names that are categories whether objects have them or not.
        malformed: called with the InputError about a row; if it returns, the row is skipped.
        """
        rows = CocoRows(file, folder=files.images, classes=classes, malformed=malformed)
        self.write(files, rows)
        rows.close()
        return rows

    def read(self, files: SplitFiles, *, classes: Sequence[str], ignore_other_categories: bool) -> Dataset:
        """Reads the split as the COCO file that `convert` writes."""
        with self._converted(files, classes, refuse) as (file, rows):
            report_rows(files, rows)
            dataset = read_opened(
                files.annotations,
                file,
                images=files.images,
                classes=classes,
                ignore_other_categories=ignore_other_categories,
                skip_missing=files.skip_missing,
            )
            return replace(dataset, federation=rows.federation)

    def checksum(self, files: SplitFiles) -> str:
        """Returns the checksum of the COCO file that `convert` writes: the annotations may be many files."""
        with self._converted(files, (), refuse) as (file, _):
            digest = hashlib.sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()

    def examine(
        self,
        files: SplitFiles,
        *,
        classes: Sequence[str],
        ignore_other_categories: bool,
        needs_masks: bool,
        findings: Findings,
    ) -> Examination:
        """Examines the split as the COCO file that `convert` writes, and what did not become a row of it."""

        def malformed(error: InputError) -> None:
            findings.add(Kind.MALFORMED, str(error).removeprefix(f"{files.annotations}: "))

        with self._converted(files, classes, malformed) as (file, rows):
            kind = Kind.SKIPPED if files.skip_missing else Kind.MISSING
            findings.add_all(kind, (str(files.images / name) for name in rows.absent), len(rows.absent))
            findings.add_all(Kind.NO_OBJECT, map(str, rows.left_out), rows.left_out.total())
            survey = examine_opened(
                files.annotations,
                file,
                images=files.images,
                classes=classes,
                ignore_other_categories=ignore_other_categories,
                needs_masks=needs_masks,
                findings=findings,
                skip_missing=files.skip_missing,
            )
        return examination_of_files(survey, folder=files.images)

    @contextmanager
    def _converted(
        self, files: SplitFiles, classes: Sequence[str], malformed: Callable[[InputError], None]
    ) -> Iterator[tuple[BinaryIO, CocoRows]]:
        """Yields a temporary file without a name, to which the split is written, at its beginning."""
        try:
            with tempfile.TemporaryFile(prefix="mindrcnn-") as file:
                rows = self.convert(files, file, classes=classes, malformed=malformed)
                file.seek(0)
                yield file, rows
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"{files.annotations}: cannot be read by way of {tempfile.gettempdir()}: {reason}"
            ) from error


def report_rows(files: SplitFiles, rows: CocoRows) -> None:
    """Logs what did not become a row. Raises InputError for absent images unless they are left out."""
    if rows.left_out:
        described = ", ".join(f"{count} {what}" for what, count in rows.left_out.items())
        logger.warning("%s: left out: %s", files.annotations, described)
    if not rows.absent:
        return
    count = f"{len(rows.absent)} of {rows.images + len(rows.absent)} listed images are absent"
    first = shorten([files.images / name for name in rows.absent], SHOWN)
    if not files.skip_missing or not rows.images:
        raise InputError(f"{files.annotations}: {count}: {first}")
    logger.warning("%s: %s and left out: %s", files.annotations, count, first)
