"""A server for machines without a container: TensorFlow Serving's protocols on a folder."""

import logging
import threading
import time

from kerasgan.serving import rest, rpc, web
from kerasgan.serving.batching import Limits
from kerasgan.serving.engine import Engine
from kerasgan.serving.models import Models

logger = logging.getLogger(__name__)


class Server:
    """Serves a folder of SavedModels by gRPC and REST, for development.

    Production is TensorFlow Serving, which is faster, runs on GPUs, and is watched by others.

    Args:
        folder: path of a folder with a folder for each model, or of a model's own.
        host: str, the address that it listens at; by default programs of this machine only can ask.
        port: int, of gRPC; 0 for any that is free.
        rest_listening: a socket from `kerasgan.serving.web.listen`, for REST.
        limits: `Limits`.
        poll_seconds: float, how often it looks for new versions.

    Attributes:
        port: int.
        url: str, the address of the gallery and of the REST API.

    Raises:
        ValueError: when there is no model that can be served.
        RuntimeError: for a port that cannot be had.
    """

    def __init__(self, folder, host, port, rest_listening, limits=None, poll_seconds=1.0):
        limits = limits or Limits()
        self.models = Models(folder)
        self.models.refresh()
        if not self.models.names():
            errors = "; ".join(self.models.errors())
            reasons = f" ({errors})" if errors else ""
            raise ValueError(f"{folder} holds no SavedModel that can be served{reasons}.")
        self.engine = Engine(self.models, limits)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._rpc, self.port = rpc.make_server(self.engine, address)
        self.url = web.url_of(rest_listening)
        self._rest = web.make_server(
            rest.create_app(self.engine, host),
            rest_listening,
            # Who sends somewhat too much gets an answer; who sends far more, a closed connection.
            4 * limits.request_bytes,
            threads=limits.queue + 8,
            connection_limit=4 * limits.queue,
        )
        self._rest_thread = threading.Thread(target=self._rest.run, name="rest", daemon=True)
        self._poll_seconds = poll_seconds

    def start(self):
        """Answers from now on, in threads."""
        self.models.watch(self._poll_seconds)
        self._rpc.start()
        self._rest_thread.start()

    def stop(self, seconds=30.0):
        """Takes no new requests, answers those that came before, and ends.

        Args:
            seconds: float, how long the answers may take.

        Returns:
            Whether all were answered.
        """
        self.models.stop()
        end = time.monotonic() + seconds
        answered = self.engine.batcher.drain(seconds)
        ended = self._rpc.stop(max(0.0, end - time.monotonic()))
        ended.wait()
        # An answer is on its way when the queue is empty: waitress sends it from another thread.
        while time.monotonic() < end and self._busy():
            time.sleep(0.02)
        if self._rest_thread.is_alive():
            web.stop(self._rest)
            self._rest_thread.join(timeout=5)
        return answered

    def _busy(self):
        channels = list(self._rest.active_channels.values())
        return any(channel.requests or channel.total_outbufs_len for channel in channels)
