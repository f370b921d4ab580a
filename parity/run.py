"""All comparisons of one case."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from mindrcnn.build.device import Mode, exclusive_device, run_at_once
from mindrcnn.convert.importer import Imported, Options, import_detector
from mindrcnn.weights.read import WeightsFile
from parity.case import GoldenCase, load_case
from parity.comparison import Comparison
from parity.stages import compare_box_head, compare_detections, compare_features, compare_proposals
from parity.training import compare_training

# Settings with which the reference was built, if they differ from those of its published weights: without weights,
# torchvision trains every layer, and its norms on batch statistics.
BUILT_WITH = {"torchvision": ("model.backbone.norm=batch", "model.backbone.frozen_stages=0")}


def compare_case(
    folder: Path, name: str, *, steps: int | None = None, mode: Mode = "graph"
) -> tuple[str, list[Comparison]]:
    """Returns the case's source and all comparisons, of as many training steps as it has or of the first `steps`.

    They run in a separate process: the compiled graphs of all cases together would fill 24 GB.

    folder, name: where the case is.
    steps: only so many.
    mode: of the training steps.
    """
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
        return process.submit(_compare, folder, name, steps, mode).result()


def _compare(folder: Path, name: str, steps: int | None, mode: Mode) -> tuple[str, list[Comparison]]:
    run_at_once()
    case = load_case(folder, name)
    imported = import_case(case)
    report = imported.report
    left = len(report.leftover) + len(report.missing) + len(report.partly)
    found = [Comparison("import", "parameters without a counterpart", left, 0)]
    return case.source, [*found, *compare_inference(case, imported), *compare_steps(case, imported, steps, mode)]


def import_case(case: GoldenCase) -> Imported:
    """Imports the reference's state dict with all its outputs."""
    overrides = BUILT_WITH.get(case.library, ())
    file = WeightsFile(path=Path(case.name), kind="npz", arrays=case.state)
    return import_detector(file, None, Options(all_outputs=True, overrides=overrides))


def compare_inference(case: GoldenCase, imported: Imported) -> list[Comparison]:
    """Compares features to pasted masks, in PyNative mode."""
    detector = imported.detector.set_train(False)
    images, sizes = case.image(imported.config.model.pixel.channel_order)
    with exclusive_device("pynative"):
        features = detector.features(images, sizes)
        return [
            *compare_features(case, features),
            compare_proposals(case, detector, features, sizes),
            *compare_box_head(case, detector, features),
            *compare_detections(case, detector.predict(images, sizes)),
        ]


def compare_steps(case: GoldenCase, imported: Imported, steps: int | None, mode: Mode) -> list[Comparison]:
    """Compares losses and gradient norms; trains the detector."""
    names = {source: use.ours for source, use in imported.report.used.items()}
    with exclusive_device(mode):
        return compare_training(
            case,
            imported.detector,
            names,
            channel_order=imported.config.model.pixel.channel_order,
            mask_side=imported.config.data.mask_side,
            steps=steps,
        )
