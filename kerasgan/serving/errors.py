"""Errors between client and server, with the codes of gRPC and of HTTP."""

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


LONGEST_MESSAGE = 1000  # characters; an error may quote millions that a client sent


class ServingError(Exception):
    """A request that was not answered.

    Attributes:
        code: str, the name of gRPC's status code, such as "INVALID_ARGUMENT".
        message: str, what went wrong.
    """

    def __init__(self, code: str, message: str):
        if len(message) > LONGEST_MESSAGE:
            message = f"{message[:LONGEST_MESSAGE]} ..."
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def code_of_http(status):
    """The name of gRPC's code for an HTTP status; None for a status that is not an error."""
    if status < 400:
        return None
    codes = {http: code for code, http in HTTP_STATUS.items()}
    codes[413] = "RESOURCE_EXHAUSTED"  # a body too large, for which gRPC has no code of its own
    return codes.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")
