"""The web page on which images are changed."""

import base64
import threading

import flask

from kerasgan.editing.requests import Edit, check_label, check_text, decoded
from kerasgan.serving import web
from kerasgan.serving.errors import ServingError
from kerasgan.utils.images import png

LARGEST_BODY = 16 * 2**20  # bytes; a picture that is dropped, in base64
STRIP = 9  # images


def create_app(editor, host="127.0.0.1"):
    """The web application.

    Args:
        editor: a `LiveEditor`, `ServedEditor` or `Painter` of `kerasgan.editing.editors`.
        host: str, the address or name that the server is bound to.

    Returns:
        `flask.Flask`.
    """
    app = flask.Flask(__name__, static_folder=None, template_folder=".")
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY, PROVIDE_AUTOMATIC_OPTIONS=False)
    web.guard(app, host)
    web.errors_as_json(app)
    alone = threading.Lock()  # the server has threads, and the model one set of networks

    @app.errorhandler(ValueError)
    @app.errorhandler(OSError)
    @app.errorhandler(ServingError)
    def in_one_line(error):
        return {"error": getattr(error, "message", str(error))}, 400

    @app.get("/")
    def page():
        return flask.render_template(editor.template, settings=editor.settings)

    def sliders():
        @app.post("/pictures")
        def picture():
            edit = Edit.of(_json())
            with alone:
                (image,) = editor.images(edit, [edit.way])
            return flask.Response(png(image), mimetype="image/png")

        @app.post("/strips")
        def strip():
            edit = Edit.of(_json())
            with alone:
                images = editor.images(edit, [n / (STRIP - 1) for n in range(STRIP)])
            return {"pictures": [base64.b64encode(png(image)).decode() for image in images]}

        @app.post("/projections")
        def projection():
            file, label = _values("picture", "label")
            check_label(label)
            with alone:
                point, distance = editor.project(decoded(file), label)
            return {"point": _in_base64(point), "distance": distance}

        @app.post("/likenesses")
        def likeness():
            values, text = _values("edit", "text")
            check_text("text", text)
            edit = Edit.of(values)
            with alone:
                point, before, after = editor.resemble(edit, text)
            return {"point": _in_base64(point), "before": before, "after": after}

    def drawing():
        @app.post("/sources")
        def source():
            file, to = _values("picture", "to")
            return editor.source(decoded(file), _known(to))

        @app.post("/translations")
        def translation():
            file, to = _values("picture", "to")
            with alone:
                made = editor.translate(decoded(file), _known(to))
            return flask.Response(made, mimetype="image/png")

        def _known(to):
            if to not in editor.sources:
                raise ValueError("to: there is no such direction")
            return to

    sliders() if editor.template == "sliders.html" else drawing()
    return app


def _in_base64(point):
    return base64.b64encode(point.astype("<f4").tobytes()).decode()


def _json():
    try:
        return flask.request.get_json()
    except RecursionError:
        flask.abort(400, "send JSON of less depth")


def _values(*names):
    """The values of a JSON object that has exactly these names, in their order."""
    data = _json()
    if not isinstance(data, dict) or set(data) != set(names):
        raise ValueError(f"send a JSON object with {', '.join(names)}")
    return [data[name] for name in names]
