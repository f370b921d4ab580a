"""MLflow sink; the package is imported only when a run is opened."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import time
from typing import Any

from mindrcnn import paths
from mindrcnn.atomic import write_text
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

# Curves of single classes, whose names MLflow may refuse, and whose last steps it would be asked for one by one.
CLASS_CURVES = "class_AP/"
DEFAULT_EXPERIMENT = "mindrcnn"
RUN_ID_FILE = "mlflow_run_id"  # in the run folder, so that a resumed run continues the same MLflow run
_MILLISECONDS = 1000


def require_mlflow() -> None:
    """Raises InputError unless MLflow answers at MLFLOW_TRACKING_URI."""
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        MlflowClient().search_experiments(max_results=1)
    except MlflowException as error:
        raise InputError(f"train.log_to: mlflow: {error}") from error


class MlflowSink:
    """One MLflow run per run folder, at MLFLOW_TRACKING_URI in the experiment MLFLOW_EXPERIMENT_NAME.

    MLflow cannot delete points, so those that it has are not sent again. Raises InputError if it cannot be reached at
    the start; later failures are warnings, and training continues.
    """

    def __init__(self, *, folder: Path, run_name: str) -> None:
        from mlflow.entities import Metric
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        self._metric, self._error = Metric, MlflowException
        id_file = folder / RUN_ID_FILE
        try:
            self._client = MlflowClient()
            if paths.exists(id_file):
                self.run_id = paths.read_text(id_file).strip()
                self._client.update_run(self.run_id, status="RUNNING")
            else:
                self.run_id = self._client.create_run(_experiment(self._client), run_name=run_name).info.run_id
                write_text(id_file, self.run_id)
            self._client.log_artifact(self.run_id, str(folder / "config.yaml"))
            self._last_steps = self._steps_so_far()
        except MlflowException as error:
            raise InputError(f"train.log_to: mlflow: {error}") from error

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Sends one point for each curve that does not reach `step` yet."""
        now = round(time() * _MILLISECONDS)
        points = [
            self._metric(key=name, value=value, timestamp=now, step=step)
            for name, value in values.items()
            if not name.startswith(CLASS_CURVES) and step > self._last_steps.get(name, -1)
        ]
        self._send(f"the metrics of step {step}", self._client.log_batch, self.run_id, points)

    def pictures(self, step: int, files: Sequence[Path]) -> None:
        """Uploads the files as artifacts in pictures/step_STEP."""
        folder = f"pictures/step_{step}"
        for file in files:
            self._send(f"{file.name} of step {step}", self._client.log_artifact, self.run_id, str(file), folder)

    def close(self, *, failed: bool) -> None:
        """Sets the final status of the run."""
        self._send("the final status", self._client.set_terminated, self.run_id, "FAILED" if failed else "FINISHED")

    def _send(self, what: str, action: Callable[..., Any], *arguments: Any) -> None:
        try:
            action(*arguments)
        except self._error as error:
            logger.warning("mlflow: cannot send %s: %s", what, error)

    def _steps_so_far(self) -> dict[str, int]:
        names = self._client.get_run(self.run_id).data.metrics
        return {name: max(point.step for point in self._client.get_metric_history(self.run_id, name)) for name in names}


def _experiment(client: Any) -> str:
    """Returns the id of the experiment, which is created if it is missing."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", DEFAULT_EXPERIMENT)
    known = client.get_experiment_by_name(name)
    return client.create_experiment(name) if known is None else known.experiment_id
