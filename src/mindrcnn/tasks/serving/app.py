"""The web application: a request's way from its body to its answer. Needs FastAPI."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mindrcnn import __version__
from mindrcnn.detections import Detections
from mindrcnn.image_detector import Detector
from mindrcnn.tasks.serving.batcher import Batcher
from mindrcnn.tasks.serving.limits import Limits
from mindrcnn.tasks.serving.uploads import Refusal, prepare_upload, read_body, require_file

logger = logging.getLogger(__name__)

DECODERS = 2  # threads; each holds one decoded image, of up to data.max_megapixels


class Service:
    """A detector that answers requests, within limits."""

    def __init__(self, detector: Detector, limits: Limits) -> None:
        self.detector = detector
        self.limits = limits
        self.running = 0
        self.batcher = Batcher(detector.detect, batch_size=limits.batch_size, wait=limits.wait)
        self.threads = ThreadPoolExecutor(DECODERS, thread_name_prefix="decoder")

    def close(self) -> None:
        """Waits for what is being computed and ends the threads."""
        self.batcher.close()
        self.threads.shutdown()

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Counts a request while it runs. Raises Refusal if there are too many."""
        if self.running >= self.limits.requests:
            raise Refusal(503, f"wanted fewer than {self.limits.requests} requests at a time; try again later")
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    async def predict(self, request: Request, score: float) -> dict[str, Any]:
        """Returns the image's entry of predictions.json."""
        loop, limits = asyncio.get_running_loop(), self.limits
        require_file(request.headers.get("content-type", ""))
        with self.admitted():
            body = await read_body(
                request.stream(),
                length=request.headers.get("content-length"),
                limit=limits.bytes,
                seconds=limits.upload_seconds,
            )
            image = await loop.run_in_executor(self.threads, prepare_upload, self.detector, body)
            found = await asyncio.wrap_future(self.batcher.submit(image))
            return await loop.run_in_executor(self.threads, describe, found, score)


def describe(found: Detections, score: float) -> dict[str, Any]:
    """Returns the detections from a score up as plain values; pastes and encodes their masks."""
    return found[found.scores >= score].to_dict()


def make_app(detector: Detector, limits: Limits, *, default_score: float) -> FastAPI:
    """Returns the application.

    detector: what predicts.
    limits: what the server takes on.
    default_score: lowest score of a prediction, unless a request gives another.
    """
    service = Service(detector, limits)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(title="MindRCNN", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    add_answers_of_errors(app)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "requests": service.running}

    @app.get("/model")
    async def model() -> dict[str, Any]:
        return model_facts(detector, limits)

    @app.post("/predict")
    async def predict(request: Request, score: Annotated[float, Query(ge=0, le=1)] = default_score) -> JSONResponse:
        return JSONResponse(await service.predict(request, score))

    return app


def model_facts(detector: Detector, limits: Limits) -> dict[str, Any]:
    """Returns what a client may want to know of the model."""
    model = detector.config.model
    return {
        "model": "faster_rcnn" if model.mask is None else model.mask.type,
        "backbone": model.backbone.name,
        "runtime": detector.runtime,
        "classes": detector.classes,
        "category_ids": detector.category_ids,
        "score_thresh": model.box.score_thresh,
        "batch_size": limits.batch_size,
        "largest_file": limits.bytes,
        "version": __version__,
    }


def add_answers_of_errors(app: FastAPI) -> None:
    """Makes every error one JSON object with its message."""

    @app.exception_handler(Refusal)
    async def refuse(_: Request, refusal: Refusal) -> JSONResponse:
        # The rest of the body is not read, so the connection cannot be used again.
        headers = {"Connection": "close"} | ({"Retry-After": "1"} if refusal.status == 503 else {})
        return JSONResponse({"error": refusal.message}, refusal.status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return JSONResponse({"error": f"{first['loc'][-1]}: {first['msg']}"}, 400)

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": "the server failed; its log says why"}, 500)
