"""What the servers of web pages have in common: who may ask, and how errors look."""

import ipaddress
import json
import logging
import socket
import urllib.parse

import flask
import waitress
from waitress import channel, wasyncore
from werkzeug import exceptions

CONNECTIONS = 500  # that are held at a time
REQUEST_SECONDS = 30  # within which a request has to have arrived

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def guard(app, host, programs=False):
    """Lets an application answer its own page, and no page of another site.

    Args:
        app: a `flask.Flask`.
        host: str, the address or name that the server is bound to.
        programs: whether programs that are no browsers may send something, too.
    """
    names = {"localhost", "127.0.0.1", "::1", host, socket.gethostname().lower()}

    @app.before_request
    def refuse_other_sites():
        # A page of another site can make its own name mean this address (DNS rebinding), and can
        # send requests here; it can hide neither its name nor, in a POST, where it is from.
        name = _host_name(flask.request.headers.get("Host", ""))
        if name not in names and not (_is_everywhere(host) and _is_address(name)):
            flask.abort(403, "this server does not go by that name")
        own = {f"http://{flask.request.headers['Host']}", *([None] if programs else [])}
        if flask.request.method == "POST" and flask.request.headers.get("Origin") not in own:
            flask.abort(403, "answers are taken from the page of this server only")

    @app.after_request
    def forbid_the_rest(response):
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response


def errors_as_json(app):
    """Lets an application say what is wrong as `{"error": "..."}`."""

    @app.errorhandler(exceptions.HTTPException)
    def in_one_line(error):
        response = error.get_response()
        response.data = json.dumps({"error": error.description})
        response.content_type = "application/json"
        return response


def listen(host, port):
    """A socket that takes connections already, so that a port in use is found out early.

    Args:
        host: str, an address or name of this machine.
        port: int, 0 for any that is free.

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
    """A connection, which keeps nobody else from being heard.

    A request has to arrive within a time that does not begin anew with each byte of it, and a new
    connection takes the place of that which has said nothing for the longest time.
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
        largest_body: int, bytes that a request may have.
        **settings: of waitress.
    """
    # It would write a line for every request that finds no thread free.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = waitress.create_server(
        app,
        sockets=[listening],
        ident=None,
        max_request_body_size=largest_body,
        connection_limit=2 * CONNECTIONS,
        channel_timeout=REQUEST_SECONDS,
        cleanup_interval=1,
        asyncore_use_poll=True,  # select() knows files of numbers below 1024 only
        **settings,
    )
    server.channel_class = Channel
    return server


def stop(server):
    """Ends a server whose `run()` is in another thread, and closes its connections.

    Args:
        server: from `make_server`.
    """
    # What another thread closes while the server waits for it would be an error there.
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
