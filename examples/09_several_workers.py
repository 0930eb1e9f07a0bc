"""Several workers: two processes train one model, one of them records it, and one goes ways of its own.

    python examples/09_several_workers.py
    tensorboard --logdir runs/09_several_workers

What to look at:

- The terminal: after a third of the epochs, at update 140, the second process multiplies its copy of the first kernel
  by 1.05, and the first process, the chief, tells it: replicas-disagree, in digits/dense/kernel.
- "Runs": one row for both processes. Only the chief writes.
- The card of the finding; a click takes the heat map to "Replicas apart (weights)". It is 0 until then and 5 % from
  there on. A column without numbers is a record at which nobody had told anything new: processes do not wait for each
  other, and what they tell may arrive a record late.
- The loss comes down all the same: who looks at it alone does not know that the two models are no longer one.

This is `multi_worker.py --disagree`; without it the run is healthy.
"""

import sys

from multi_worker import main

if __name__ == "__main__":
    sys.exit(main(["--disagree", "--log-dir", "runs/09_several_workers", *sys.argv[1:]]))
