"""Serve the packaged model over HTTP: MLflow's scoring server behind the gate, on loopback."""

import asyncio
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.core.errors import UserError
from pipeline.serving.gate import App, Gate
from pipeline.serving.layout import INSIDE, settings
from pipeline.serving.limits import Limits

HOST = "127.0.0.1"
NUM_THREADS = max(2, os.cpu_count() or 1)  # one computes a batch while others decode the next
MAX_CONNECTIONS = 64  # beyond them: 503


def serve(model: Path, port: int | None, limits: Limits) -> None:
    """Load a packaged model, print the address, and serve until interrupted.

    Raises:
        UserError: the model cannot be loaded, or the port is taken.
    """
    settings(model / INSIDE)  # refuses another version before MLflow is imported
    listener = _listener(port)
    app = Gate(_scoring_server(model, limits), limits)
    listener.listen(MAX_CONNECTIONS)  # who connects from now on waits until it is answered
    port = listener.getsockname()[1]
    print(f"serving {model} at http://{HOST}:{port}  (Ctrl-C stops it)", flush=True)
    try:
        asyncio.run(_run(app, listener))
    except KeyboardInterrupt:
        return


def _scoring_server(model: Path, limits: Limits) -> App:
    """Load the model and predict its example once, so that the first client does not wait."""
    os.environ["MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT"] = str(limits.timeout_s)
    from mlflow.pyfunc import load_model, scoring_server

    loaded = load_model(str(model), model_config={"max_pixels": limits.max_pixels})
    loaded.predict(loaded.input_example)
    app: App = scoring_server.init(loaded)
    return app


async def _run(app: App, listener: socket.socket) -> None:
    import uvicorn

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(NUM_THREADS))
    config = uvicorn.Config(
        app,
        ws="none",
        http="h11",
        log_level="error",  # what is malformed is no news
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=5,
    )
    await uvicorn.Server(config).serve(sockets=[listener])


def _listener(port: int | None) -> socket.socket:
    """Return a socket that owns a port, or a free one."""
    # asyncio sends at once on sockets that name their protocol alone; else a packet waits 40 ms.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port or 0))
    except OSError as error:
        raise UserError(f"--port: got {port}: {error.strerror}; name another one") from None
    return listener
