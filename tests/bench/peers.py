"""What people record with today, as variants beside `OptimizerHealth`: each on stock Adamax."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from paired import Attach, Variant


class ReadState(keras.callbacks.Callback):
    """Reads all of the optimizer's variables to the host at every step, and writes nothing."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Reads them one by one, as a loop in a callback does."""
        for variable in self.model.optimizer.variables:
            variable.numpy()


class Summarized(keras.Model):
    """A model whose training step, after Keras's guide to custom ones, writes a summary of every gradient."""

    write: Callable[[str, tf.Tensor], Any]
    writer: tf.summary.SummaryWriter

    def train_step(self, data: Any) -> dict[str, Any]:
        """Makes one update; `write` gets each variable's path and gradient."""
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        with self.writer.as_default(step=tf.cast(self.optimizer.iterations.value, tf.int64)):
            for variable, gradient in zip(self.trainable_variables, gradients, strict=True):
                self.write(variable.path, tf.convert_to_tensor(gradient))
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            metric.update_state(loss)
        return self.get_metrics_result()


def summarized(write: Callable[[str, tf.Tensor], Any]) -> Attach:
    """Returns what turns a model into a `Summarized` one."""

    def attach(model: keras.Model, log_dir: str) -> tuple[Any, list[Any]]:
        model = Summarized(model.inputs, model.outputs)
        model.write, model.writer = write, tf.summary.create_file_writer(log_dir)
        close = keras.callbacks.LambdaCallback(on_train_end=lambda logs: model.writer.close())
        return model, [close]

    return attach


def stock(attach: Attach) -> Variant:
    """Returns a variant with stock Adamax."""
    return Variant(lambda: keras.optimizers.Adamax(1e-3), attach)


PEERS = {
    "keras TensorBoard(histogram_freq=1)": stock(
        lambda model, log_dir: (model, [keras.callbacks.TensorBoard(log_dir, histogram_freq=1)])
    ),
    "tf.summary.scalar of norms, every step": stock(
        summarized(lambda name, gradient: tf.summary.scalar(name, tf.norm(gradient)))
    ),
    "tf.summary.histogram, every step": stock(summarized(tf.summary.histogram)),
    "optimizer's variables read, every step": stock(lambda model, log_dir: (model, [ReadState()])),
}
