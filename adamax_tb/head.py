"""What a Keras model ends in, and which loss its outputs go into.

Reads a model's configuration; it computes nothing, and what it does not understand it leaves out.
"""

from typing import Any

import keras

from adamax_tb.schema import Head


def head_of(model: Any) -> Head | None:
    """Returns the head of a compiled model with one output and one loss, None of any other.

    Args:
        model: a compiled `keras.Model`.

    Returns:
        `loss` is "" where it is none of Keras's own: a name says nothing of what it expects. `activation` is "" where
        the last operation is none of Keras's, as in a subclassed model.
    """
    loss, output = getattr(model, "loss", None), _output(model)
    if loss is None or output is None or isinstance(loss, (dict, list, tuple)):
        return None
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    own = _is_keras(loss)
    config = loss.get_config() if own and isinstance(loss, keras.losses.Loss) else {}
    return Head(
        loss=(_name(loss) if own else ""),
        from_logits=config.get("from_logits") is True,
        activation=_activation(output),
        units=int(output.shape[-1] or 0) if output.shape else 0,
        backend=keras.backend.backend(),
    )


def _output(model: Any) -> Any:
    """Returns the symbolic output of a functional or sequential model that has one; None of any other."""
    try:
        outputs = model.outputs
    except (AttributeError, ValueError):  # subclassed, or not built yet
        return None
    return outputs[0] if isinstance(outputs, list) and len(outputs) == 1 else None


def _activation(output: Any) -> str:
    operation = getattr(getattr(output, "_keras_history", None), "operation", None)
    if isinstance(operation, keras.layers.Softmax):
        return "softmax"
    if isinstance(operation, keras.layers.ReLU):
        return "relu"
    if isinstance(operation, keras.layers.Activation):
        name = _name(operation.activation)
        return _activation(operation.input) if name == "linear" else name
    if isinstance(operation, (keras.layers.Dense, keras.layers.EinsumDense)):
        return _name(operation.activation)
    return ""


def _is_keras(loss: Any) -> bool:
    if isinstance(loss, keras.losses.Loss):
        return type(loss).__module__.startswith("keras.")
    return getattr(keras.losses, _name(loss), None) is loss


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
