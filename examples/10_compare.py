"""Which optimizer is best for this model? SGD, Adam and AdaMax, at two learning rates and with three seeds each.

    python examples/10_compare.py
    tensorboard --logdir runs/10_compare

What to look at:

- The table that is printed: a row for each optimizer at its better rate. "Behind best" with a = says that three seeds
  do not tell it from the first one; ↑ that its rate is the highest that was tried, so that a better one may lie beyond.
- The tab "HParams": a row for each of the 18 trials. "Sort by" held-out loss is at the lower left.
- The tab "Optimizer health": a run for each trial. Pin Adam/0.01/0 and AdaMax/0.01/0, which begin with the same weights
  and see the same batches: at the same rate AdaMax's updates are smaller, as u is the largest gradient and not the
  usual one. That is why its rates are higher.

This is `compare_optimizers.py --quick`, which also says how to put in a model of your own. Without --quick it takes six
optimizers, four rates and five seeds.
"""

import sys

from compare_optimizers import main

if __name__ == "__main__":
    sys.exit(main(["--quick", "--logdir", "runs/10_compare", *sys.argv[1:]]))
