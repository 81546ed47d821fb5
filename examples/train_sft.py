"""Fine-tunes a vision-language model on enriched reports.

    python examples/train_sft.py                                        # phantom, small model, CPU
    accelerate launch examples/train_sft.py --config examples/recipes/sft_qwen3_vl.yaml \
        --dataset me/my-reports-enriched --index me/my-index

The phantom has its recipe; for reports of your own name one with `--config`. Each field of
`TaskArguments` (report_task.py), `SemEnrichSFTConfig` and TRL's `ModelConfig` is an
argument, and a line of the YAML file named by `--config`; see `--help`. A run that was cut off
goes on from its last checkpoint; another recipe in the same folder is an error.
"""

from collections.abc import Sequence

from console import clear_errors
from report_run import finish_run, prepare_run

from semenrich_trainers import SemEnrichSFTConfig, SemEnrichSFTTrainer


def main(argv: Sequence[str] | None = None) -> SemEnrichSFTTrainer:
    """Trains, evaluates and saves."""
    run = prepare_run(SemEnrichSFTConfig, "sft_phantom.yaml", argv)
    trainer = SemEnrichSFTTrainer(**run.trainer)
    finish_run(trainer, run)
    return trainer


if __name__ == "__main__":
    with clear_errors():
        main()
