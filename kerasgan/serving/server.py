"""A development server without containers: TensorFlow Serving's protocols for a folder."""

import threading
import time

from kerasgan.serving import rest, rpc, web
from kerasgan.serving.batching import Limits
from kerasgan.serving.engine import Engine
from kerasgan.serving.folders import misplaced
from kerasgan.serving.servables import Models


class Server:
    """Serves a folder of SavedModels by gRPC and REST, for development.

    Use TensorFlow Serving in production: it is faster, runs on GPUs, and is maintained for that.
    Models are loaded one after the other once the server has started. Until a model is loaded the
    server answers UNAVAILABLE; the attribute `models` has the state of each.

    Args:
        folder: path of a folder with a folder for each model, or of a single model's folder.
        host: str, the address to listen on; by default only programs on this machine can connect.
        port: int, the port for gRPC; 0 for any free port.
        rest_listening: a socket from `kerasgan.serving.web.listen`, for REST.
        limits: `Limits`.
        poll_seconds: float, the time between two checks for new versions.

    Attributes:
        models: `kerasgan.serving.servables.Models`.
        port: int.
        url: str, the address of the gallery and of the REST API.

    Raises:
        ValueError: when there is no SavedModel in the folder.
        RuntimeError: for a port that is not available.
    """

    def __init__(self, folder, host, port, rest_listening, limits=None, poll_seconds=1.0):
        limits = limits or Limits()
        self.models = Models(folder)
        if not self.models.loading():
            raise ValueError(f"{folder} holds no SavedModel that can be served{_hint(folder)}.")
        self.engine = Engine(self.models, limits)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._rpc = rpc.RpcServer(self.engine, address)
        self.port = self._rpc.port
        self.url = web.url_of(rest_listening)
        self._rest = web.make_server(
            rest.create_app(self.engine, host),
            rest_listening,
            # A client that sends slightly too much gets an answer; one that sends far more, a
            # closed connection.
            4 * limits.request_bytes,
            threads=limits.queue + 8,
        )
        self._rest_thread = threading.Thread(target=self._rest.run, name="rest", daemon=True)
        self._poll_seconds = poll_seconds

    def start(self):
        """Starts answering requests, in threads."""
        self._rpc.start()
        self._rest_thread.start()
        self.models.watch(self._poll_seconds)

    def stop(self, seconds=30.0):
        """Stops accepting requests, answers earlier ones, and shuts down.

        Args:
            seconds: float, the longest time to wait for answers.

        Returns:
            Whether all were answered.
        """
        self.models.stop()
        end = time.monotonic() + seconds
        answered = self.engine.batcher.drain(seconds)
        self._rpc.stop(max(0.0, end - time.monotonic()))
        # When the queue is empty an answer may still be on its way: waitress sends it from another
        # thread.
        while time.monotonic() < end and self._busy():
            time.sleep(0.02)
        if self._rest_thread.is_alive():
            web.stop(self._rest)
            self._rest_thread.join(timeout=5)
        return answered

    def wait(self, seconds=None):
        """Waits until every model has been loaded or has failed to load.

        Args:
            seconds: float, the longest time to wait; None for no limit.

        Returns:
            Whether all have been loaded or have failed.

        Raises:
            ValueError: when no model can be served.
        """
        looked = self.models.looked.wait(seconds)
        if looked and not self.models.names():
            reasons = "; ".join(self.models.errors())
            raise ValueError(
                f"{self.models.folder} holds no SavedModel that can be served ({reasons})."
            )
        return looked

    def _busy(self):
        channels = list(self._rest.active_channels.values())
        return any(channel.requests or channel.total_outbufs_len for channel in channels)


def _hint(folder):
    """A hint at folders that are almost a model's version."""
    found = misplaced(folder)
    if not found:
        return ""
    path = found[0]
    return f" ({path} is one, but no version of a model: its folder has to be a number, NAME/1)"
