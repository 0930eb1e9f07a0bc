"""Two processes train one model together, on this machine, and one of them records it.

    python examples/multi_worker.py                   TensorFlow: MultiWorkerMirroredStrategy, a loop of its own
    python examples/multi_worker.py --backend jax     Keras on JAX: DataParallel and `fit`
    python examples/multi_worker.py --disagree        the same, but one process goes ways of its own

This starts the processes, shows what they say, and ends all when one of them fails or on Ctrl-C. On several machines
each would be started by whoever runs them there, with the addresses of all; what a process does is in the functions
`train_with_tensorflow` and `train_with_jax`.

Both processes have `adamax_tb` watch their optimizer, in the same way. The first one, the chief, writes the run and
tells what is found; the other writes nothing, and tells the chief the norms of its weights, which are to be the same.
`--disagree` shows what is found when they are not.
"""

import argparse
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence

EPOCHS = 12
BATCH = 64  # of all processes together
#: What a process has to end in when it is asked to, before it is made to.
PATIENCE_S = 15


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--backend", choices=["tensorflow", "jax"], default="tensorflow")
    parser.add_argument("--workers", type=int, default=2, help="how many processes (2)")
    parser.add_argument("--log-dir", default="runs/multi_worker", help="(runs/multi_worker)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"({EPOCHS})")
    parser.add_argument("--disagree", action="store_true", help="make one process differ")
    parser.add_argument("--index", type=int, help=argparse.SUPPRESS)  # in a worker: which
    parser.add_argument("--addresses", help=argparse.SUPPRESS)  # in a worker: of all
    options = parser.parse_args(arguments)
    if options.workers < 1:
        parser.error("argument --workers: must be at least 1")
    if options.index is None:
        return launch(options)
    train = train_with_jax if options.backend == "jax" else train_with_tensorflow
    train(options)
    return 0


# What each process does


def train_with_tensorflow(options: argparse.Namespace) -> None:
    workers, index = options.workers, options.index
    cluster = {"worker": options.addresses.split(",")}
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": cluster, "task": {"type": "worker", "index": index}}
    )
    import keras
    import tensorflow as tf

    import adamax_tb

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():  # the first process's initial weights go to all
        model = network(keras)
        optimizer = adamax_tb.AdaMax(2e-3)
        optimizer.build(model.trainable_variables)
        loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    images, labels = part_of_digits(index, workers)
    data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(BATCH // workers)

    with adamax_tb.record(optimizer, options.log_dir) as recording:

        @tf.function  # traced inside the `with` block
        def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
            def of_this_process(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
                with tf.GradientTape() as tape:
                    # Keras divides it by the number of replicas, whose gradients the optimizer adds up
                    loss = recording.loss(loss_of(y, model(x, training=True)))
                gradients = tape.gradient(loss, model.trainable_variables)
                optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
                return loss

            losses = strategy.run(of_this_process, args=(x, y))
            return strategy.reduce("SUM", losses, axis=None)

        for epoch in range(options.epochs):
            for x, y in data:
                loss = step(x, y)
            print(f"epoch {epoch + 1} of {options.epochs}: loss {float(loss):.3f}", flush=True)
            if options.disagree and index == workers - 1 and epoch == options.epochs // 3:
                # the mistake: a variable assigned on one process alone
                kernel = model.layers[0].kernel.value
                for copy in strategy.experimental_local_results(kernel):
                    copy.assign(copy * 1.05)


def train_with_jax(options: argparse.Namespace) -> None:
    import keras

    import adamax_tb

    workers, index = options.workers, options.index
    keras.distribution.initialize(options.addresses, workers, index)
    if options.disagree:
        keras.utils.set_random_seed(
            index
        )  # the mistake: no distribution, and so no common gradient
    else:
        everywhere = keras.distribution.list_devices()
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=everywhere, auto_shard_dataset=False)
        )
        keras.utils.set_random_seed(0)  # the same on all: JAX checks the initial weights
    model = network(keras)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(adamax_tb.AdaMax(2e-3), loss)
    images, labels = part_of_digits(index, workers)
    model.fit(
        images,
        labels,
        batch_size=BATCH // workers,
        epochs=options.epochs,
        shuffle=False,
        verbose=2,
        callbacks=[adamax_tb.OptimizerHealth(options.log_dir)],
    )


def network(keras):  # type: ignore[no-untyped-def]  # imported late: the backend is chosen first
    layers = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10)], name="digits")


def part_of_digits(index: int, workers: int):  # type: ignore[no-untyped-def]
    """Every worker takes other images, and all take equally many: each step needs all of them."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    whole = len(labels) // BATCH * BATCH
    mine = slice(index, whole, workers)
    return images[mine].astype("float32") / 16, labels[mine]


# Starting them, and what they say


def launch(options: argparse.Namespace) -> int:
    addresses = ",".join(f"127.0.0.1:{port}" for port in free_ports(options.workers))
    said: queue.SimpleQueue[tuple[int, str | None]] = queue.SimpleQueue()
    processes = [start(i, addresses, options) for i in range(options.workers)]
    for i, process in enumerate(processes):
        print(f"worker {i}{' (chief)' if i == 0 else ''}: process {process.pid}", flush=True)
        threading.Thread(target=listen, args=(i, process, said), daemon=True).start()
    last: list[list[str]] = [[] for _ in processes]
    running = len(processes)
    try:
        while running:
            i, line = said.get()
            if line is not None:
                last[i] = [*last[i][-19:], line]
                if is_worth_reading(line):
                    print(f"worker {i}: {line}", flush=True)
                continue
            running -= 1
            if processes[i].wait() != 0:
                why = first_to_fail(processes, i)
                end(processes)
                return report(why, processes[why].returncode, last[why])
    except KeyboardInterrupt:
        print("\nInterrupted: asking the workers to end. What was recorded stays.", flush=True)
        end(processes)
        return 130
    print(
        f"All {options.workers} workers are done. What was recorded:\n\n"
        f"    adamax-tb check {options.log_dir}\n"
        f"    tensorboard --logdir {options.log_dir}",
        flush=True,
    )
    return 0


def start(index: int, addresses: str, options: argparse.Namespace) -> "subprocess.Popen[str]":
    command = [sys.executable, os.path.abspath(__file__), "--index", str(index)]
    command += ["--addresses", addresses, "--backend", options.backend]
    command += ["--workers", str(options.workers), "--log-dir", options.log_dir]
    command += ["--epochs", str(options.epochs), *(["--disagree"] if options.disagree else [])]
    environment = {
        **os.environ,
        "KERAS_BACKEND": options.backend,
        "CUDA_VISIBLE_DEVICES": "",  # processes on one machine would want the same GPU
        "JAX_PLATFORMS": "cpu",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is for this process, which then asks them
    )


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def listen(
    index: int,
    process: "subprocess.Popen[str]",
    said: "queue.SimpleQueue[tuple[int, str | None]]",
) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        said.put((index, line.rstrip()))
    said.put((index, None))


def is_worth_reading(line: str) -> bool:
    """Leaves out what TensorFlow and Gloo say of themselves while they start."""
    chatter = ("WARNING: All log messages before absl", "[Gloo]")
    numbered = line[:1] in tuple("IWE") and line[1:5].isdigit()
    return bool(line) and not line.startswith(chatter) and not numbered


def first_to_fail(processes: "Sequence[subprocess.Popen[str]]", failed: int) -> int:
    """Returns who brought about that worker `failed` ended: one that was killed takes the others with it."""
    ended = [i for i, process in enumerate(processes) if process.poll() not in (None, 0)]
    return next((i for i in ended if (processes[i].returncode or 0) < 0), failed)


def report(index: int, code: int, last: list[str]) -> int:
    if code < 0:
        print(
            f"worker {index} was ended by {signal.Signals(-code).name}; the others were ended, too."
        )
    else:
        print(
            f"worker {index} failed (exit status {code}); the others were ended, too. Its last words:\n"
        )
        print("\n".join(f"    {line}" for line in last))
    sys.stdout.flush()
    return 1


def end(processes: "Sequence[subprocess.Popen[str]]") -> None:
    """Asks all to end, so that the chief closes its record, and makes those that do not."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    for process in processes:
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
