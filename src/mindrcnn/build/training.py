"""Configuration to optimizer, schedule and step, built from the keys under `train`."""

from collections.abc import Sequence

import numpy as np
from mindspore import nn

from mindrcnn.config.train import (
    AdamConfig,
    AdamWConfig,
    DynamicLossScaleConfig,
    ParameterGroupConfig,
    ScheduleConfig,
    StaticLossScaleConfig,
    TrainConfig,
)
from mindrcnn.engine.plan import Plan
from mindrcnn.engine.precision import use_float16
from mindrcnn.engine.step import schedule as rates
from mindrcnn.engine.step.accumulation import AccumulatingStep, GroupedFeed, GroupedLoader
from mindrcnn.engine.step.ema import ParameterAverage
from mindrcnn.engine.step.loss_scale import LossScale, LossScaler, NoLossScale
from mindrcnn.engine.step.optimizer import build_adam, build_adamw, build_sgd
from mindrcnn.engine.step.param_groups import GroupRule, trainable_parameters
from mindrcnn.engine.step.train_step import ReduceGradients, TrainStep, identity
from mindrcnn.engine.step.training_state import TrainingState
from mindrcnn.engine.trainer import Feed, Loader
from mindrcnn.errors import InputError


def build_plan(train: TrainConfig, batches_per_epoch: int) -> Plan:
    """Returns the length of training and its intervals. Raises InputError if an epoch is too short for one step."""
    steps_per_epoch = batches_per_epoch // train.accumulate
    if steps_per_epoch == 0:
        raise InputError(
            f"train.accumulate: wanted at most the {batches_per_epoch} batches of an epoch, got {train.accumulate}"
        )
    schedule = train.schedule
    total_steps = rates.to_steps(schedule.length, unit=schedule.unit, steps_per_epoch=steps_per_epoch)
    epochs = total_steps / steps_per_epoch
    if train.save_every > max(epochs, 1):
        raise InputError(
            f"train.save_every: wanted at most the {epochs:g} epochs of the run (train.save_every_steps counts steps), "
            f"got {train.save_every}"
        )
    return Plan(
        total_steps=total_steps,
        steps_per_epoch=steps_per_epoch,
        eval_every=train.eval_every,
        save_every=train.save_every,
        eval_every_steps=train.eval_every_steps,
        save_every_steps=train.save_every_steps,
    )


def global_batch(train: TrainConfig, *, world_size: int = 1) -> int:
    """Returns the number of images of one optimizer step over all processes."""
    return train.batch_size * train.accumulate * world_size


def peak_learning_rate(train: TrainConfig, *, world_size: int = 1) -> float:
    """Returns the rate after warm-up: base_lr, scaled to the global batch if `scale_lr` is set."""
    schedule = train.schedule
    if not schedule.scale_lr:
        return schedule.base_lr
    images = global_batch(train, world_size=world_size)
    return rates.scale_lr(schedule.base_lr, global_batch=images, reference_batch=schedule.reference_batch)


def build_learning_rates(train: TrainConfig, plan: Plan, *, world_size: int = 1) -> np.ndarray:
    """Returns the learning rate of every step, (total_steps,) float32."""
    schedule, peak = train.schedule, peak_learning_rate(train, world_size=world_size)
    if schedule.kind == "cosine":
        decayed = rates.cosine(base_lr=peak, total_steps=plan.total_steps, final_ratio=schedule.final_ratio)
    else:
        decayed = rates.multistep(
            base_lr=peak,
            total_steps=plan.total_steps,
            milestones=_milestone_steps(schedule, plan.steps_per_epoch),
            gamma=schedule.gamma,
        )
    decayed = np.maximum(decayed, np.float32(min(schedule.min_lr, peak)))
    return rates.linear_warmup(decayed, steps=schedule.warmup_iterations, ratio=schedule.warmup_ratio)


def _milestone_steps(schedule: ScheduleConfig, steps_per_epoch: int) -> list[int]:
    return [
        rates.to_steps(milestone, unit=schedule.unit, steps_per_epoch=steps_per_epoch)
        for milestone in schedule.milestones
    ]


def build_optimizer(train: TrainConfig, detector: nn.Cell, learning_rates: np.ndarray) -> nn.Optimizer:
    """Returns the optimizer of the trainable parameters."""
    optimizer = train.optimizer
    if isinstance(optimizer, AdamWConfig | AdamConfig):
        build = build_adamw if isinstance(optimizer, AdamWConfig) else build_adam
        return build(
            parameters=trainable_parameters(detector),
            learning_rates=learning_rates,
            betas=optimizer.betas,
            eps=optimizer.eps,
            weight_decay=optimizer.weight_decay,
            decay_norm_and_bias=optimizer.decay_norm_and_bias,
            rules=build_group_rules(optimizer.groups),
        )
    return build_sgd(
        parameters=trainable_parameters(detector),
        learning_rates=learning_rates,
        momentum=optimizer.momentum,
        nesterov=optimizer.nesterov,
        weight_decay=optimizer.weight_decay,
        decay_norm_and_bias=optimizer.decay_norm_and_bias,
        rules=build_group_rules(optimizer.groups),
    )


def build_group_rules(groups: Sequence[ParameterGroupConfig]) -> list[GroupRule]:
    """Returns the rules for parameters with their own learning rate or weight decay."""
    return [
        GroupRule(match=group.match, lr_factor=group.lr_factor, decay_factor=group.decay_factor) for group in groups
    ]


def build_average(train: TrainConfig, detector: nn.Cell) -> ParameterAverage | None:
    """Returns the average of the detector's parameters, starting at their current values; None without train.ema."""
    if train.ema.decay == 0:
        return None
    return ParameterAverage(network=detector, decay=train.ema.decay, warmup=train.ema.warmup)


def build_loss_scale(config: StaticLossScaleConfig | DynamicLossScaleConfig | None) -> LossScale:
    """Returns a static, a dynamic or no loss scale."""
    if config is None:
        return NoLossScale()
    if isinstance(config, StaticLossScaleConfig):
        return LossScaler(scale=config.scale, factor=1.0, window=0)
    return LossScaler(scale=config.initial, factor=config.factor, window=config.window)


def build_state(train: TrainConfig, detector: nn.Cell, learning_rates: np.ndarray) -> TrainingState:
    """Returns the detector with a fresh optimizer, average and loss scale."""
    return TrainingState(
        network=detector,
        optimizer=build_optimizer(train, detector, learning_rates),
        average=build_average(train, detector),
        loss_scale=build_loss_scale(train.loss_scale),
    )


def uses_batch_groups(train: TrainConfig) -> bool:
    """Returns whether a step takes a group of batches; a step of one batch without a loss scale compiles as a whole."""
    return train.accumulate > 1 or train.loss_scale is not None


def build_step(
    train: TrainConfig, losses: nn.Cell, state: TrainingState, reduce_gradients: ReduceGradients = identity
) -> TrainStep | AccumulatingStep:
    """Returns the training step.

    train: precision, accumulation and gradient clipping.
    losses: a cell that returns the losses of a batch.
    state: the optimizer, average and loss scale.
    reduce_gradients: averages gradients over the processes.
    """
    if train.precision == "float16":
        losses = use_float16(losses)
    clip_norm = train.optimizer.clip_norm
    if uses_batch_groups(train):
        return AccumulatingStep(
            network=losses,
            optimizer=state.optimizer,
            loss_scale=state.loss_scale,
            clip_norm=clip_norm,
            average=state.average,
            reduce_gradients=reduce_gradients,
        )
    return TrainStep(
        network=losses,
        optimizer=state.optimizer,
        clip_norm=clip_norm,
        average=state.average,
        reduce_gradients=reduce_gradients,
    )


def build_flow(train: TrainConfig, loader: Loader, feed: Feed) -> tuple[Loader, Feed]:
    """Returns the loader and feed that supply the arguments of a step of `build_step`."""
    if not uses_batch_groups(train):
        return loader, feed
    return GroupedLoader(loader=loader, count=train.accumulate), GroupedFeed(feed=feed, count=train.accumulate)
