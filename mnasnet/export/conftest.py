"""What the tests of exported files share."""

from typing import Any


def runs_wholly_on_xnnpack(interpreter: Any) -> bool:
    """Whether one delegate leads from the network's input to its output.

    An operator that XNNPACK refuses splits the delegate in two, or stands before its input or behind its
    output. The operators that the delegate replaced stay in the list.
    """
    delegates = [op for op in interpreter._get_ops_details() if op["op_name"] == "DELEGATE"]
    (fed,), asked = interpreter.get_input_details(), interpreter.get_output_details()
    return (
        len(delegates) == 1
        and fed["index"] in delegates[0]["inputs"]
        and set(delegates[0]["outputs"]) == {one["index"] for one in asked}
    )
