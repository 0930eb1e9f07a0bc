"""Methods that are called in place of an optimizer's, or a model's, while somebody watches the optimizer.

It knows who watches which optimizer, and nothing of what they do.
"""

import weakref
from collections.abc import Callable
from typing import Any, Protocol

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    #: What a loop of the user's traces is Python, too: AutoGraph need not read it.
    plain: Callable[[Any], Any] = tf.autograph.experimental.do_not_convert
else:

    def plain(function: Any) -> Any:
        """Returns `function` as it is: only TensorFlow rewrites what it traces."""
        return function


class Watcher(Protocol):
    """Somebody who watches an optimizer.

    Its method of the name of a hook gets the method it stands before and returns what is called in its place.

    Attributes:
        optimizer: which is watched.
        hooked: objects and the names of their methods that are hooked; the same while it watches.
    """

    optimizer: Any

    @property
    def hooked(self) -> list[tuple[Any, str]]:
        """The hooks."""


#: Optimizer → who watches it.
_WATCHING: "weakref.WeakKeyDictionary[Any, list[Watcher]]" = weakref.WeakKeyDictionary()


class _Hook:
    """What stands in the optimizer's instance, and what stood there before it."""

    def __init__(self, call: Callable[..., Any], inner: Any) -> None:
        self._call, self.inner = call, inner

    @plain
    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)


def attach(watcher: Watcher) -> None:
    """Has the hooks of `watcher` called, beside those of others."""
    watching = _WATCHING.setdefault(watcher.optimizer, [])
    if watcher not in watching:
        watching.append(watcher)
        _rewire(watcher)


def detach(watcher: Watcher) -> None:
    """Has the hooks of `watcher` called no more; with the last one the optimizer is as it was."""
    watching = _WATCHING.get(watcher.optimizer, [])
    if watcher in watching:
        watching.remove(watcher)
        _rewire(watcher)


def _rewire(changed: Watcher) -> None:
    for owner, name in dict.fromkeys(changed.hooked):
        hook = owner.__dict__.pop(name, None)
        while isinstance(hook, _Hook):
            hook = hook.inner
        if hook is not None:  # somebody else's
            owner.__dict__[name] = hook
        for watcher in _WATCHING[changed.optimizer]:
            if (owner, name) in watcher.hooked:
                before = owner.__dict__.get(name)
                call = getattr(watcher, name)(getattr(owner, name))
                owner.__dict__[name] = _Hook(call, before)
