"""Real processes on loopback that train together: how tests start them and what they run."""

import json
import os
import socket
import subprocess
import sys
import textwrap

TENSORFLOW = textwrap.dedent(
    """
    import json, os, signal, sys, time
    import keras
    import numpy as np
    import tensorflow as tf
    import adamax_tb

    index, logdir, options = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    workers = options.get("workers", 2)
    if workers > 1:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        strategy = tf.distribute.get_strategy()
    keras.utils.set_random_seed(7)
    with strategy.scope():
        model = keras.Sequential([
            keras.Input((6,)),
            keras.layers.Dense(8, "tanh", name="hidden"),
            keras.layers.Dense(3, name="out"),
        ])
        optimizer = adamax_tb.AdaMax(0.01)
        optimizer.build(model.trainable_variables)
    random = np.random.default_rng(3)
    x, y = random.normal(size=(50, 16, 6)), random.normal(size=(50, 16, 3))
    share = 16 // workers
    mine = slice(index * share, (index + 1) * share)
    x, y = (a[:, mine].astype(np.float32) for a in (x, y))

    @tf.function
    def step(x, y):
        def of_one(x, y):
            with tf.GradientTape() as tape:
                # what the replicas apply is the sum of their gradients
                loss = tf.reduce_sum((model(x) - y) ** 2) / 48
            gradients = tape.gradient(loss, model.trainable_variables)
            recording.loss(loss)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
            return loss
        return strategy.run(of_one, args=(x, y))

    def train():
        for t in range(options["updates"]):
            step(tf.constant(x[t % 50]), tf.constant(y[t % 50]))
            time.sleep(options.get("pause", 0))
            if options.get("noise") == [index, t]:
                kernel = model.layers[0].kernel.value
                for copy in strategy.experimental_local_results(kernel):
                    copy.assign(copy + 0.01)
            if options.get("save_at", [None])[0] == t:
                checkpoint.write(options["save_at"][1] + f"-{index}")
            if options.get("kill") == [index, t]:
                os.kill(os.getpid(), signal.SIGKILL)
            if recording.should_stop:
                break

    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    if options.get("restore"):
        checkpoint.restore(options["restore"])
    every, stop_on = options.get("every", 1), options.get("stop_on")
    leave = (lambda found: sys.exit(3)) if options.get("leave") else None
    with adamax_tb.record(
        optimizer, logdir, every, on_finding=leave, stop_on=stop_on
    ) as recording:
        train()
    print("finished at", int(optimizer.iterations.numpy()), flush=True)
    """
)

JAX = textwrap.dedent(
    """
    import json, os, signal, sys, time
    import keras
    import numpy as np
    import adamax_tb

    index, logdir, options = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    workers = options.get("workers", 2)
    if workers > 1:
        keras.distribution.initialize(os.environ["ADDRESSES"], workers, index)
    if workers > 1 and not options.get("apart"):
        devices = keras.distribution.list_devices()
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
        )
    keras.utils.set_random_seed(7 + index * bool(options.get("apart")))
    model = keras.Sequential([
        keras.Input((6,)),
        keras.layers.Dense(8, "tanh", name="hidden"),
        keras.layers.Dense(3, name="out"),
    ])
    model.compile(adamax_tb.AdaMax(0.01), "mse")
    random = np.random.default_rng(3)
    x, y = random.normal(size=(50, 16, 6)), random.normal(size=(50, 16, 3))
    share = 16 // workers
    mine = slice(index * share, (index + 1) * share)
    x, y = (a[:, mine].astype(np.float32).reshape(50 * share, -1) for a in (x, y))

    class Events(keras.callbacks.Callback):
        update = 0

        def on_train_batch_end(self, batch, logs=None):
            self.update += 1
            time.sleep(options.get("pause", 0))
            if options.get("noise") == [index, self.update]:
                import jax

                kernel = self.model.layers[0].kernel
                mine = kernel.value.addressable_data(0) + 0.01
                kernel._value = jax.make_array_from_single_device_arrays(
                    mine.shape, kernel.value.sharding, [mine]
                )
                self.model._jax_state_synced = True
            if options.get("kill") == [index, self.update]:
                os.kill(os.getpid(), signal.SIGKILL)

    health = adamax_tb.OptimizerHealth(
        logdir, every=options.get("every", 1), stop_on=options.get("stop_on")
    )
    model.fit(
        x, y, batch_size=share, epochs=options.get("epochs", 1), shuffle=False, verbose=0,
        callbacks=[health, Events()],
    )
    print("finished at", int(model.optimizer.iterations.numpy()), flush=True)
    """
)


def free_ports(count):
    """Ports that nobody listens on; whoever asks must be quick."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Workers:
    """Processes that train together, chief first; `logs` are their outputs' files."""

    def __init__(self, script, directories, logs, options, backend="tensorflow"):
        count = options.get("workers", 2)
        ports = free_ports(count)
        addresses = [f"127.0.0.1:{port}" for port in ports]
        self.logs = [logs / f"worker{i}.txt" for i in range(count)]
        self.processes = []
        for i, log in enumerate(self.logs):
            environment = {
                **os.environ,
                "KERAS_BACKEND": backend,
                "CUDA_VISIBLE_DEVICES": "",
                "JAX_PLATFORMS": "cpu",
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "ADDRESSES": ",".join(addresses),
            }
            if count > 1:
                cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}}
                environment["TF_CONFIG"] = json.dumps(cluster)
            with log.open("w") as out:
                self.processes.append(
                    subprocess.Popen(
                        [
                            sys.executable,
                            "-c",
                            script,
                            str(i),
                            str(directories[i]),
                            json.dumps(options),
                        ],
                        stdout=out,
                        stderr=subprocess.STDOUT,
                        env=environment,
                    )
                )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.processes:
            process.kill()
            process.wait()

    def wait(self, timeout=240):
        """Waits for all and returns what they said; an exit status that is not 0 is an error."""
        codes = [process.wait(timeout) for process in self.processes]
        texts = [log.read_text() for log in self.logs]
        assert not any(codes), "\n".join(texts)
        return texts
