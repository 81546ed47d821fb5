"""Times radeval's BLEU reward: `{"completions", "references", "rounds"}` in, seconds out, as JSON.

Run by tests/benchmarks/bench_rewards.py in the peers' own environment.
"""

import json
import sys
from time import perf_counter

from radeval import make_reward_fn


def main() -> None:
    """Reads stdin, writes the wall time of each round."""
    task = json.load(sys.stdin)
    reward = make_reward_fn("bleu")
    seconds = []
    for _ in range(task["rounds"]):
        start = perf_counter()
        reward(task["completions"], ground_truth=task["references"])
        seconds.append(perf_counter() - start)
    json.dump(seconds, sys.stdout)


if __name__ == "__main__":
    main()
