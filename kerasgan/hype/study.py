"""The web page on which people tell real images from generated ones (HYPE).

The server knows which images are real and the browser does not: it gets one image at a time, under
a random name, and the next one for its answer.
"""

import csv
import dataclasses
import io
import pathlib
import re
import secrets
import threading
from datetime import UTC, datetime

import flask
import numpy as np

from kerasgan.hype import statistics
from kerasgan.serving import web
from kerasgan.utils.files import append, make_folder
from kerasgan.utils.images import png

BLOCKS = 3  # staircases of a participant, in HYPE-time
COLUMNS = (
    *("participant", "session", "mode", "trial", "of", "truth", "image", "exposure_ms"),
    *("shown_ms", "answer", "correct", "milliseconds", "time", "generator", "data"),
)
TRUTHS = ("generated", "real")
LARGEST_BODY = 1024  # bytes; an answer has about 150
LONGEST_MILLISECONDS = 24 * 60 * 60 * 1000
NAME = re.compile(r"\w[\w .-]{0,39}")  # nothing that a spreadsheet could take for a formula


class Answers:
    """The CSV file with every answer; an interrupted study loses none.

    Args:
        path: the file; one that exists is continued.
        generator, data: str, where the generated and the real images come from.

    Raises:
        ValueError: for a file of another kind, or with answers about other images.
    """

    def __init__(self, path, generator, data):
        self.path = pathlib.Path(path)
        self.about = {"generator": generator, "data": data}
        make_folder(self.path.parent)
        if not self.path.exists() or not self.path.stat().st_size:
            self._append(COLUMNS)
        self.rows = self._read()
        self.sessions = max((int(row["session"]) for row in self.rows), default=0)

    def append(self, **values):
        """Writes an answer; `values` are the columns that it has."""
        row = {name: str(value) for name, value in {**values, **self.about}.items()}
        self._append([row.get(name, "") for name in COLUMNS])
        self.rows.append({name: row.get(name, "") for name in COLUMNS})

    def _append(self, values):
        line = io.StringIO()
        csv.writer(line).writerow(values)
        append(self.path, line.getvalue())

    def _read(self):
        with open(self.path, newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            try:
                header = tuple(next(reader, ()))
            except (csv.Error, UnicodeDecodeError):
                header = None  # no text at all
            if header != COLUMNS:
                raise ValueError(
                    f"{self.path} does not hold answers of this command; use another file."
                )
            rows = []
            for values in reader:
                if len(values) != len(COLUMNS):
                    raise ValueError(
                        f"{self.path}, line {reader.line_num}: {len(values)} values instead of "
                        f"{len(COLUMNS)}; repair or remove the line."
                    )
                rows.append(dict(zip(COLUMNS, values, strict=True)))
        for name, value in self.about.items():
            others = {row[name] for row in rows} - {value}
            if others:
                raise ValueError(
                    f"{self.path} holds answers about {' and '.join(sorted(others))}, not {value}; "
                    "use another file."
                )
        return rows


def error_rates(rows):
    """`kerasgan.hype.error_rates` of answers, a list of dicts."""
    return statistics.error_rates(
        [row["truth"] == "real" for row in rows],
        [row["answer"] == "real" for row in rows],
        [row["participant"] for row in rows],
    )


def whole_blocks(rows):
    """Answers of HYPE-time, a list of dicts, as a list of such lists for each block.

    Unfinished blocks do not count, because they mostly show the way from the initial exposure.
    """
    blocks = {}
    for row in rows:
        block, _ = divmod(int(row["trial"]) - 1, int(row["of"]) // BLOCKS)
        blocks.setdefault((row["session"], block), []).append(row)
    return [block for block in blocks.values() if len(block) == int(block[0]["of"]) // BLOCKS]


def exposure_threshold(blocks):
    """`kerasgan.hype.exposure_threshold` of `whole_blocks`, None for none."""
    if not blocks:
        return None
    return statistics.exposure_threshold(
        [[int(row["exposure_ms"]) for row in block] for block in blocks],
        [block[0]["participant"] for block in blocks],
    )


@dataclasses.dataclass
class Session:
    """A participant on the way through the images.

    Attributes:
        number: int, from 1, through all starts of the server.
        participant: str.
        order: list of (truth, index in the images of that kind).
        trial: int, the position in `order` that is to be answered.
        image: str, the random name of its image; None after the last one.
        staircase: a `Staircase`, in HYPE-time.
    """

    number: int
    participant: str
    order: list
    trial: int = 0
    image: str | None = dataclasses.field(default_factory=secrets.token_urlsafe)
    staircase: statistics.Staircase | None = None


class Study:
    """Real and generated images, and who has judged which of them.

    Args:
        real, generated: uint8 arrays (n, height, width, 1 or 3) of equal image shapes.
        answers: an `Answers`.
        mode: `"infinity"` or `"time"`.
        num: int, how many images each participant sees: even, and for `"time"` a multiple of 6.
        seed: int; which images a participant sees, and in which order, depends only on it and on
            the number of the session.

    Raises:
        ValueError: for a num that cannot be halved, or is more than the images allow.
    """

    def __init__(self, real, generated, answers, *, mode="infinity", num=100, seed=0):
        check_num(num, mode)
        for name, images in (("real", real), ("generated", generated)):
            if len(images) < num // 2:
                raise ValueError(
                    f"num={num} needs {num // 2} {name} images, and there are {len(images)}; use "
                    f"at most {2 * len(images)}."
                )
        self.images = {"real": real, "generated": generated}
        self.answers, self.mode, self.num, self.seed = answers, mode, num, seed
        self.blocks = BLOCKS if mode == "time" else 1
        self._sessions = {}
        self._lock = threading.Lock()  # the server has threads

    def start(self, name):
        """A new participant: the token of the session, and the first image to judge."""
        with self._lock:
            self.answers.sessions += 1
            number = self.answers.sessions
            order = self._order(np.random.default_rng([self.seed, number]))
            session = Session(number, name or f"participant {number}", order)
            token = secrets.token_urlsafe()
            self._sessions[token] = session
            return {"session": token, "next": self._next(session)}

    def picture(self, name):
        """The PNG file of the image that is to be judged under this name, or None."""
        with self._lock:
            session = next((s for s in self._sessions.values() if s.image == name), None)
            if session is None:
                return None
            truth, index = session.order[session.trial]
        return png(self.images[truth][index])

    def answer(self, token, trial, answer, milliseconds, shown_ms):
        """Takes the answer to an image and says what comes next.

        Args:
            token: str, the session.
            trial: int, the number of the image, from 1.
            answer: `"real"` or `"generated"`.
            milliseconds: int, from when the image appeared until the answer.
            shown_ms: int, for how long it was seen in HYPE-time, else None.

        Returns:
            Dict with `next` or, after the last one, `result`; in HYPE-time also `truth`.

        Raises:
            KeyError: for an unknown session.
            ValueError: for any image but the current one.
        """
        with self._lock:
            session = self._sessions[token]
            if trial != session.trial + 1 or session.trial == self.num:
                raise ValueError("this is not the image to judge now")
            truth, index = session.order[session.trial]
            correct = answer == truth
            timed = self.mode == "time"
            self.answers.append(
                participant=session.participant,
                session=session.number,
                mode=self.mode,
                trial=trial,
                of=self.num,
                truth=truth,
                image=index,
                exposure_ms=session.staircase.exposure if timed else "",
                shown_ms=shown_ms if timed else "",
                answer=answer,
                correct=int(correct),
                milliseconds=milliseconds,
                time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            )
            session.trial += 1
            session.image = secrets.token_urlsafe()
            reply = {}
            if timed:
                session.staircase.answered(correct)
                reply["truth"] = truth
            if session.trial < self.num:
                return {**reply, "next": self._next(session)}
            session.image = None
            return {**reply, "result": self._result(session)}

    def _order(self, random):
        """Half of each block real and half generated, no image twice."""
        half = self.num // 2
        drawn = {kind: random.permutation(len(self.images[kind]))[:half] for kind in TRUTHS}
        parts = zip(*(np.array_split(drawn[kind], self.blocks) for kind in TRUTHS), strict=True)
        order = []
        for parts_of_block in parts:
            block = [
                (kind, int(index))
                for kind, indices in zip(TRUTHS, parts_of_block, strict=True)
                for index in indices
            ]
            order += [block[index] for index in random.permutation(len(block))]
        return order

    def _next(self, session):
        shown = {"trial": session.trial + 1, "image": session.image}
        if self.mode == "time":
            if session.trial % (self.num // self.blocks) == 0:
                session.staircase = statistics.Staircase()
            shown["exposure_ms"] = session.staircase.exposure
        return shown

    def _result(self, session):
        """What the participant is told at the end: a headline, and sentences."""
        rows = [row for row in self.answers.rows if row["session"] == str(session.number)]
        rates = error_rates(rows)
        half = self.num // 2
        mistaken = (
            f"You took {_of(rates['generated'], half)} generated images for real ones, and "
            f"{_of(rates['real'], half)} real images for generated ones."
        )
        if self.mode == "infinity":
            rate = rates["all"]
            headline = f"{percent(rate.value)} wrong"
            meaning = (
                f"95 % confidence interval: {percent(rate.low)} to {percent(rate.high)}. Someone "
                "who cannot tell the images apart gets 50 %."
            )
        else:
            threshold = exposure_threshold(whole_blocks(rows))
            headline = milliseconds_text(threshold.value)
            meaning = (
                "You need to see an image for about this long to tell. 95 % confidence interval: "
                f"{milliseconds_text(threshold.low)} to {milliseconds_text(threshold.high)}."
            )
        return {"headline": headline, "text": [meaning, mistaken]}


def check_num(num, mode):
    """Raises a ValueError for a number of images that a participant cannot be shown."""
    multiple = 2 * (BLOCKS if mode == "time" else 1)
    if num < multiple or num % multiple:
        halves = "half of the images" if mode == "infinity" else f"half of each of {BLOCKS} blocks"
        raise ValueError(f"num={num}: {halves} has to be real; use a multiple of {multiple}.")


def _of(rate, count):
    return f"{round(rate.value * count)} of {count}"


def percent(share):
    """A share in 0..1 as text."""
    return f"{100 * share:.1f} %"


def milliseconds_text(milliseconds):
    """Milliseconds as text."""
    return f"{milliseconds:.0f} ms"


def create_app(study, host="127.0.0.1"):
    """The web application.

    Args:
        study: a `Study`.
        host: str, the address or name that the server listens on.

    Returns:
        `flask.Flask`.
    """
    app = flask.Flask(__name__, static_folder=None, template_folder=".")
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY, PROVIDE_AUTOMATIC_OPTIONS=False)
    web.guard(app, host)
    web.errors_as_json(app)

    @app.get("/")
    def page():
        settings = {"mode": study.mode, "num": study.num, "blocks": study.blocks}
        return flask.render_template("hype.html", **settings)

    @app.get("/images/<name>")
    def image(name):
        picture = study.picture(name)
        if picture is None:
            flask.abort(404, "there is no such image to judge")
        return flask.Response(picture, mimetype="image/png")

    @app.post("/participants")
    def start():
        (name,) = _body("name")
        name = name.strip() if isinstance(name, str) else None
        if name is None or (name and not NAME.fullmatch(name)):
            flask.abort(400, "use a name of up to 40 letters, digits, spaces, and . - _ inside")
        return study.start(name)

    @app.post("/answers")
    def answer():
        session, trial, said, milliseconds, shown_ms = _body(
            "session", "trial", "answer", "milliseconds", "shown_ms"
        )
        seen_as_said = _is_time(shown_ms) if study.mode == "time" else shown_ms is None
        if (
            not isinstance(session, str)
            or type(trial) is not int
            or said not in TRUTHS
            or not _is_time(milliseconds)
            or not seen_as_said
        ):
            flask.abort(400, "the answer has wrong values")
        try:
            return study.answer(session, trial, said, milliseconds, shown_ms)
        except KeyError:
            flask.abort(400, "there is no such session")
        except ValueError as error:
            flask.abort(409, str(error))

    return app


def _body(*names):
    """The values of a JSON object that has exactly these names, in their order."""
    try:
        data = flask.request.get_json()
    except RecursionError:
        data = None
    if not isinstance(data, dict) or set(data) != set(names):
        flask.abort(400, f"send a JSON object with {', '.join(names)}")
    return [data[name] for name in names]


def _is_time(value):
    return type(value) is int and 0 <= value <= LONGEST_MILLISECONDS
