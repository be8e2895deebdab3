"""What JSON Schema can't say of a body: an amount is written without a fraction, so 3.0 is no amount although it is an integer."""

import schemathesis


def fractions(value):
    """Whether whole numbers in it are written with a fraction; a delivery's time may be."""
    if isinstance(value, dict):
        return any(fractions(field) for name, field in value.items() if name != "delivered")
    if isinstance(value, list):
        return any(fractions(item) for item in value)
    return isinstance(value, float) and value.is_integer()


@schemathesis.hook
def filter_body(context, body):
    return not fractions(body)
