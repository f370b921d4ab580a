"""Resuming with everything on: accumulation, AdamW with groups, clipping, an average and a moving loss scale."""

from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from mindrcnn.engine.checkpoints.checkpoint import CheckpointInfo, load_checkpoint, load_into, save_checkpoint
from mindrcnn.engine.step.accumulation import AccumulatingStep
from mindrcnn.engine.step.ema import ParameterAverage
from mindrcnn.engine.step.loss_scale import MAX_SCALE, LossScaler, NoLossScale
from mindrcnn.engine.step.optimizer import build_adamw, build_sgd
from mindrcnn.engine.step.param_groups import GroupRule
from mindrcnn.engine.step.training_state import TrainingState
from mindrcnn.errors import InputError

STEPS, STOP = 6, 3
RATES = np.linspace(0.1, 0.01, STEPS, dtype=np.float32)
INFO = CheckpointInfo(config_yaml="", classes=(), category_ids=(), epoch=0, step=STOP)


class Net(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        generator = np.random.default_rng(0)
        self.first, self.norm, self.second = nn.Dense(3, 4), nn.BatchNorm1d(4), nn.Dense(4, 2)
        for parameter in self.get_parameters():
            parameter.set_data(Tensor(generator.uniform(0.5, 1, size=parameter.shape).astype(np.float32)))

    def construct(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        hidden = ops.relu(self.norm(self.first(inputs)))
        output = self.second(hidden)
        return (output * output).mean(), hidden.mean()


def build_state(network: nn.Cell) -> TrainingState:
    optimizer = build_adamw(
        parameters=network.trainable_params(),
        learning_rates=RATES,
        betas=(0.9, 0.99),
        eps=1e-8,
        weight_decay=0.1,
        decay_norm_and_bias=False,
        rules=(GroupRule("first", 0.1, 1.0),),
    )
    return TrainingState(
        network=network,
        optimizer=optimizer,
        average=ParameterAverage(network=network, decay=0.9, warmup=10.0),
        # overflows at the first step and rises after the fourth, which is the first after the training was stopped
        loss_scale=LossScaler(scale=1e38, factor=1e34, window=3),
    )


def train(state: TrainingState, first: int, last: int) -> list[list[float]]:
    """Losses and norm of the steps from `first` up to `last`; their batches are a function of the step."""
    step = AccumulatingStep(
        network=state.network,
        optimizer=state.optimizer,
        loss_scale=state.loss_scale,
        clip_norm=0.7,
        average=state.average,
    )
    rows = []
    for number in range(first, last):
        generator = np.random.default_rng(number)
        batches = [(Tensor(generator.normal(size=(5, 3)).astype(np.float32) * 10),) for _ in range(2)]
        losses, norm = step(*batches)
        rows.append([float(value.asnumpy()) for value in (*losses, norm)])
    return rows


def everything(state: TrainingState, path: Path) -> dict[str, np.ndarray]:
    """All that a checkpoint of the state holds."""
    state.save(path, INFO)
    saved = load_checkpoint(path)
    parts = {"": saved.parameters, "trained.": saved.trained, "optimizer.": saved.optimizer}
    return {prefix + name: value.asnumpy() for prefix, part in parts.items() for name, value in part.items()}


def test_steps_after_resuming_are_bit_equal(mode: str, tmp_path: Path) -> None:
    whole = build_state(Net())
    wanted = train(whole, 0, STEPS)
    stopped = build_state(Net())
    assert train(stopped, 0, STOP) == wanted[:STOP]
    path = tmp_path / "last.ckpt"
    stopped.save(path, CheckpointInfo(**{**vars(INFO), "loss_scale": stopped.loss_scale.state()}))

    network, checkpoint = Net(), load_checkpoint(path)
    for parameter in network.get_parameters():
        parameter.set_data(Tensor(np.zeros(parameter.shape, np.float32)))
    load_into(network, checkpoint)
    resumed = build_state(network)
    resumed.restore(checkpoint)
    assert train(resumed, STOP, STEPS) == wanted[STOP:]

    assert whole.loss_scale.state() == resumed.loss_scale.state()
    assert resumed.loss_scale.state() == {"scale": MAX_SCALE, "good_steps": 2, "skipped": 1, "overflows_in_a_row": 0}
    left, right = everything(whole, tmp_path / "whole.ckpt"), everything(resumed, tmp_path / "resumed.ckpt")
    assert left.keys() == right.keys()
    assert [name for name in left if not np.array_equal(left[name], right[name])] == []
    assert {"first.weight", "trained.norm.moving_mean", "optimizer.updates", "optimizer.moment2.first.weight"} <= set(
        left
    )
    assert left["optimizer.updates"] == STEPS - 1
    assert not np.allclose(left["trained.norm.moving_mean"], Net().norm.moving_mean.asnumpy(), rtol=1e-2)


def test_a_checkpoint_holds_averages_as_its_parameters(tmp_path: Path) -> None:
    state = build_state(Net())
    train(state, 0, STOP)
    assert state.average is not None
    path = tmp_path / "best.ckpt"
    state.save(path, INFO)
    checkpoint = load_checkpoint(path)
    for parameter in state.network.get_parameters():
        average = state.average.by_name()[parameter.name].asnumpy()
        np.testing.assert_array_equal(checkpoint.parameters[parameter.name].asnumpy(), average)
        np.testing.assert_array_equal(checkpoint.trained[parameter.name].asnumpy(), parameter.asnumpy())
    assert not np.array_equal(
        checkpoint.parameters["second.bias"].asnumpy(), checkpoint.trained["second.bias"].asnumpy()
    )


def test_without_an_average_nothing_is_stored_twice(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, network=Net(), info=INFO)
    assert load_checkpoint(path).trained == {}


@pytest.mark.parametrize("saved_by", ["sgd", "adamw"])
def test_state_of_another_optimizer_is_refused(tmp_path: Path, saved_by: str) -> None:
    network = Net()
    adamw = build_state(network)
    sgd_optimizer = build_sgd(
        parameters=network.trainable_params(),
        learning_rates=RATES,
        momentum=0.9,
        nesterov=False,
        weight_decay=0.1,
        decay_norm_and_bias=False,
    )
    sgd = TrainingState(network=network, optimizer=sgd_optimizer, average=None, loss_scale=NoLossScale())
    before, after = (sgd, adamw) if saved_by == "sgd" else (adamw, sgd)
    before.save(tmp_path / "last.ckpt", INFO)
    with pytest.raises(InputError, match=r"train\.optimizer\.type"):
        after.restore(load_checkpoint(tmp_path / "last.ckpt"))
