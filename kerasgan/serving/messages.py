"""Messages of TensorFlow Serving, as its REST API writes them."""

from google.protobuf import json_format


def as_json(message):
    """A message as a dict for `json`, in which 64-bit integers are str."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
