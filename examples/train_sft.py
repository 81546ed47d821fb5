"""Fine-tunes a vision-language model on enriched reports.

    python examples/train_sft.py                                        # phantom, small model, CPU
    accelerate launch examples/train_sft.py --config examples/recipes/sft_qwen3_vl.yaml \
        --dataset me/my-reports-enriched --index me/my-index

Each field of `TaskArguments` (report_task.py), `SemEnrichSFTConfig` and TRL's `ModelConfig` is an
argument, and a line of the YAML file named by `--config`; see `--help`. A run that was cut off
goes on from its last checkpoint; another recipe in the same folder is an error.
"""

from collections.abc import Sequence

from report_task import (
    add_truth_evaluation,
    format_reports,
    load_task_splits,
    log_test_scores,
    open_indexes,
    open_model,
    parse_arguments,
)
from trl import get_peft_config

from semenrich_trainers import SemEnrichSFTConfig, SemEnrichSFTTrainer, last_checkpoint


def main(argv: Sequence[str] | None = None) -> SemEnrichSFTTrainer:
    """Trains, evaluates and saves."""
    task, args, model_config = parse_arguments(SemEnrichSFTConfig, "sft_phantom.yaml", argv)
    splits = load_task_splits(task, args)
    index, impression_index = open_indexes(task, args, splits.train)
    train = format_reports(splits.train, task, args, index)
    validation = format_reports(splits.validation, task, args, index)
    test = None if splits.test is None else format_reports(splits.test, task, args, index)
    model, processor = open_model(task, model_config, args, train)
    trainer = SemEnrichSFTTrainer(
        model,
        args,
        index=index,
        impression_index=impression_index,
        train_dataset=train,
        eval_dataset=validation,
        processing_class=processor,
        peft_config=get_peft_config(model_config),
    )
    add_truth_evaluation(trainer, validation)
    trainer.train(resume_from_checkpoint=last_checkpoint(args.output_dir))
    log_test_scores(trainer, test, task.test_reports)
    trainer.save_model()
    trainer.save_state()
    if args.push_to_hub:
        trainer.push_to_hub()
    trainer.accelerator.end_training()
    return trainer


if __name__ == "__main__":
    main()
