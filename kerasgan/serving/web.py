"""Shared parts of the web servers: access control, errors and connections."""

import ipaddress
import json
import logging
import socket
import urllib.parse

import flask
import waitress
from waitress import channel, wasyncore
from werkzeug import exceptions

CONNECTIONS = 500  # kept open at a time
REQUEST_SECONDS = 30  # within which a request has to have arrived

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def guard(app, host, programs=False):
    """Lets an application answer its own page, but not pages of other sites.

    Args:
        app: a `flask.Flask`.
        host: str, the address or name that the server listens on.
        programs: whether programs other than browsers may send data, too.
    """
    names = {"localhost", "127.0.0.1", "::1", host, socket.gethostname().lower()}

    @app.before_request
    def refuse_other_sites():
        # A page of another site can make its own name mean this address (DNS rebinding), and can
        # send requests here; it can hide neither its name nor, in a POST, where it is from.
        name = _host_name(flask.request.headers.get("Host", ""))
        if name not in names and not (_is_everywhere(host) and _is_address(name)):
            flask.abort(403, "this server does not have that name")
        own = {f"http://{flask.request.headers['Host']}", *([None] if programs else [])}
        if flask.request.method == "POST" and flask.request.headers.get("Origin") not in own:
            flask.abort(403, "this server accepts data only from its own page")

    @app.after_request
    def forbid_the_rest(response):
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response


def errors_as_json(app):
    """Lets an application report errors as `{"error": "..."}`."""

    @app.errorhandler(exceptions.HTTPException)
    def in_one_line(error):
        response = error.get_response()
        response.data = json.dumps({"error": error.description})
        response.content_type = "application/json"
        return response


def listen(host, port):
    """Opens a socket that already accepts connections, so that a port in use is noticed early.

    Args:
        host: str, an address or name of this machine.
        port: int, 0 for any free port.

    Raises:
        OSError: for a port in use, or an address that this machine does not have.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def url_of(listening):
    """The address of the page that is served on a socket."""
    host, port = listening.getsockname()[:2]
    if _is_everywhere(host):
        host = socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class Channel(channel.HTTPChannel):
    """A connection that cannot block others.

    A request must arrive within a total time, which does not restart with each byte, and a new
    connection replaces the one that has been idle longest.
    """

    def __init__(self, server, *arguments, **keywords):
        super().__init__(server, *arguments, **keywords)
        others = server.active_channels.values()
        if len(others) > CONNECTIONS:
            silent = (c for c in others if not (c.requests or c.will_close))
            min(silent, key=lambda c: c.last_activity).will_close = True

    def handle_read(self):
        began = None if self.request is None else self.last_activity
        super().handle_read()
        if began is not None and self.request is not None:
            self.last_activity = began


def make_server(app, listening, largest_body, **settings):
    """A server whose `run()` answers requests until KeyboardInterrupt.

    Args:
        app: a WSGI application.
        listening: a socket from `listen`.
        largest_body: int, the largest size of a request in bytes.
        **settings: settings of waitress.
    """
    # It would log a line for every request that finds no free thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = waitress.create_server(
        app,
        sockets=[listening],
        ident=None,
        max_request_body_size=largest_body,
        connection_limit=2 * CONNECTIONS,
        channel_timeout=REQUEST_SECONDS,
        cleanup_interval=1,
        asyncore_use_poll=True,  # select() supports only file numbers below 1024
        **settings,
    )
    server.channel_class = Channel
    return server


def stop(server):
    """Ends a server whose `run()` is in another thread, and closes its connections.

    Args:
        server: from `make_server`.
    """
    # Closing a connection from another thread while the server waits for it would cause an error.
    server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map))
    server.task_dispatcher.shutdown()


def _host_name(header):
    try:
        return urllib.parse.urlsplit(f"//{header}").hostname
    except ValueError:
        return None


def _is_address(name):
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _is_everywhere(host):
    return _is_address(host) and ipaddress.ip_address(host).is_unspecified
