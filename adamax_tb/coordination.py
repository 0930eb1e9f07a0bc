"""The key-value stores that TensorFlow and JAX run to coordinate the processes of one training.

Neither is a public interface: where one is missing, there is none here either. It waits for no process, unless it is
asked to.
"""

from typing import Any, Protocol, cast

#: TensorFlow has no question that does not wait; an answer that is not there costs so many milliseconds, and 16 kB that
#: its service keeps until there is one.
WAIT_MS = 1


class Store(Protocol):
    """Texts under keys, which all processes of a training see."""

    def put(self, key: str, value: str) -> None:
        """Keeps `value`, in place of what was there."""

    def get(self, key: str, wait_s: float = 0.0) -> str | None:
        """Returns what is there, or is within `wait_s` seconds; None if nothing is."""

    def delete(self, key: str) -> None:
        """Forgets what is there, if anything is; TensorFlow's, also what is below it as in a directory."""


class TensorFlowStore:
    """The coordination service of a MultiWorkerMirroredStrategy."""

    def __init__(self, context: Any, missing: tuple[type[Exception], ...]) -> None:
        self._context, self._missing = context, missing

    @staticmethod
    def found() -> "TensorFlowStore | None":
        """Returns it if this TensorFlow has one."""
        import tensorflow as tf

        try:
            from tensorflow.python.eager.context import context

            found = context()
            if not found.coordination_service:
                return None
            _ = (found.set_config_key_value, found.get_config_key_value)
            _ = found.delete_config_key_value
        except (ImportError, AttributeError):
            return None
        return TensorFlowStore(found, (tf.errors.DeadlineExceededError, tf.errors.NotFoundError))

    def put(self, key: str, value: str) -> None:
        """Keeps `value`, in place of what was there and below it."""
        self._context.delete_config_key_value(key)  # there is no overwriting
        self._context.set_config_key_value(key, value)

    def get(self, key: str, wait_s: float = 0.0) -> str | None:
        """Returns what is there, or is within `wait_s` seconds; None if nothing is."""
        try:
            wait_ms = max(WAIT_MS, round(1000 * wait_s))
            return str(self._context.get_config_key_value(key, wait_ms))
        except self._missing:
            return None

    def delete(self, key: str) -> None:
        """Forgets what is there, if anything is."""
        self._context.delete_config_key_value(key)


class JaxStore:
    """The coordination service that `jax.distributed.initialize` starts."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @staticmethod
    def found() -> "JaxStore | None":
        """Returns it if this JAX has one."""
        try:
            from jax._src.distributed import global_state

            client = cast(Any, global_state.client)
            _ = (client.key_value_set, client.key_value_try_get, client.key_value_delete)
            _ = client.blocking_key_value_get
        except (ImportError, AttributeError):
            return None
        return JaxStore(client)

    def put(self, key: str, value: str) -> None:
        """Keeps `value`, in place of what was there."""
        self._client.key_value_set(key, value, allow_overwrite=True)

    def get(self, key: str, wait_s: float = 0.0) -> str | None:
        """Returns what is there, or is within `wait_s` seconds; None if nothing is."""
        try:
            if not wait_s:
                return str(self._client.key_value_try_get(key))
            return str(self._client.blocking_key_value_get(key, round(1000 * wait_s)))
        except Exception as error:
            if "NOT_FOUND" in str(error) or "DEADLINE_EXCEEDED" in str(error):
                return None
            raise

    def delete(self, key: str) -> None:
        """Forgets what is there, if anything is."""
        self._client.key_value_delete(key)
