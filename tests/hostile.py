"""Names that somebody who means harm gives to runs, layers and optimizers, and a log directory that is full of them."""

import os

import numpy as np
from synthetic import ADAMAX, healthy_stats, table

from adamax_tb.writer import EventWriter

#: Sets a trap: what runs it says so in `window.__pwned`.
RUNS_SCRIPT = "<script>window.__pwned=1</script>"

NAMES = {
    "script": RUNS_SCRIPT,
    "end of a script": "</script></style></title><img src=x onerror=window.__pwned=2>",
    "handler": "<svg onload=window.__pwned=3>",
    "attribute": '"\' onmouseover=window.__pwned=4 x="',
    "entity": "&lt;b&gt;&#x202e;",
    "address": "javascript:window.__pwned=5",
    "markdown": "[a](javascript:window.__pwned=6) ![b](x) `c` | d | **e**",
    "mathematics": r"$\frac{1}{$_{^{",
    "format": "%s %(x)s %n {0} {x.__class__}",
    "colour": "\x1b[31mred\x1b[0m\x1b[2J",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;https://example.org\x1b\\here\x1b]8;;\x1b\\",
    "C1": "\x9b31m\x9d0;owned\x9c",
    "lines": "a\nb\r\nc\rd\u2028e\u2029f\x85g",
    "tab": "a\tb\x0bc\x0cd",
    "backspace": "good\x08\x08\x08\x08evil\x7f",
    "override": "safe\u202egnp.exe",
    "isolates": "a\u2066b\u2067c\u2068d\u2069e\u200ff\u061cg",
    "Hebrew": "שלום 12",
    "Arabic": "شبكة/طبقة 3",
    "zero width": "a\u200bb\u200cc\u200dd\ufeffe\u00adf",
    "emoji": "\U0001f469\u200d\U0001f4bb\U0001f680",
    "combining": "Z\u0301\u0302\u0303\u0304" * 8,
    "private": "\ue000critical\ue001",
    "traversal": "../../etc/passwd",
    "absolute": "/etc/passwd",
    "backslashes": "..\\..\\windows",
    "address of a disk": "C:\\CON",
    "file": "file:///etc/passwd",
    "command": "=cmd|'/C calc'!A0",
    "plus": "+1",
    "minus": "-2+3",
    "at": "@SUM(A1)",
    "led by a tab": "\t=1+1",
    "led by a return": "\r=1+1",
    "wide": "＝1+1",
    "second cell": "a;=1+1",
    "shell": "$(touch x) `touch x` ; touch x #",
    "option": "--output=x",
    "long": "long/" + "n" * 10_000,
    "space": " ",
    "dots": "..",
}
#: What a layer can be called beside: no file system takes these.
LAYERS = {**NAMES, "NUL": "a\0b", "NULs": "\0\0\0", "empty": ""}
#: What a directory can be called: without a separator, and in at most 255 bytes.
DIRECTORIES = {
    **{
        kind: name.replace("/", "∕")
        for kind, name in NAMES.items()
        if kind not in ("long", "dots") and "\\" not in name
    },
    "long": "n" * 255,
    "no UTF-8": os.fsdecode(b"a\xff\xfe\x80b"),
}


#: The directory of a run that cannot be read.
BROKEN = "<b>\x1b[1m\u202ebroken"


def write_hostile(logdir, kinds=tuple(DIRECTORIES)):
    """Writes a run for each of `kinds`, "all" with all of `LAYERS`, and `BROKEN`; returns the names of those to read.

    Layer, optimizer and hyperparameter are called like the run, as far as an event file can say so. From step 11 on
    the first layer's gradient is not finite: messages quote its name.
    """
    write_sick(os.path.join(logdir, "all"), [*LAYERS.values()])
    for kind in kinds:
        name = NAMES.get(kind, kind)
        write_sick(os.path.join(logdir, DIRECTORIES[kind]), [name, "dense/kernel"], name)
    write_sick(os.path.join(logdir, BROKEN), ["twice", "twice"])
    return ["all", *(DIRECTORIES[kind] for kind in kinds)]


def write_sick(directory, layers, optimizer="AdaMax", steps=20):
    """Writes a run in which the first of `layers` has a gradient that is not finite from the middle on."""
    shapes = tuple((name, (2, 2)) for name in layers)
    rows = table(shapes, ADAMAX, optimizer)
    rows.hyperparameters[optimizer] = 0.5
    stats = healthy_stats(range(steps), shapes)
    stats["gradient_norm"][steps // 2 :, 0] = np.nan
    stats["nonfinite"][steps // 2 :, 0] = 1
    loss = np.linspace(2, 1, steps)
    writer = EventWriter(str(directory), rows)
    numbers = {"loss": loss, "loss_peak": loss, "learning_rate": np.full(steps, 0.001)}
    writer.write(np.arange(1, steps + 1), stats, numbers)
    writer.close()
