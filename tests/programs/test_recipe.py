"""The settings that `mindrcnn train --recipe` chooses."""

from pathlib import Path

import pytest
from made_up_coco import content, write_coco  # noqa: F401 (fixtures)

from mindrcnn.config.loader import dump_config, load_config, parse_config
from mindrcnn.config.run import Config
from mindrcnn.tasks.recipe import (
    RECIPES,
    DataFacts,
    coco_choices,
    input_choices,
    medium_choices,
    small_choices,
    with_recipe,
)

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
MASK_RCNN = CONFIGS / "mask_rcnn_r50_fpn_1x_coco.yaml"
FRUITS = DataFacts(images=12, short_side=480, ratio=4 / 3, portrait=0.0, small_object=0.1)


def values(choices):
    assert len({choice.key for choice in choices}) == len(choices)
    assert all(choice.reason for choice in choices)
    return {choice.key: choice.value for choice in choices}


def config_of(*overrides: str) -> Config:
    return load_config(MASK_RCNN, overrides)


def facts(**changes):
    return DataFacts(**{**FRUITS.__dict__, **changes})


def test_small_follows_the_number_of_images():
    chosen = values(small_choices(config_of(), FRUITS))
    assert (chosen["train.batch_size"], chosen["train.schedule.length"]) == (2, 600)
    assert chosen["train.schedule.warmup_iterations"] == 100
    assert values(small_choices(config_of(), facts(images=300)))["train.schedule.length"] == 3000
    assert values(small_choices(config_of(), facts(images=10**5)))["train.schedule.length"] == 8000
    assert values(small_choices(config_of(), facts(images=1)))["train.batch_size"] == 1


def test_small_trains_longer_and_everything_from_nothing():
    chosen = values(small_choices(config_of("model.backbone.weights="), FRUITS))
    assert chosen["train.schedule.length"] == 1800
    assert (chosen["model.backbone.frozen_stages"], chosen["model.backbone.norm"]) == (0, "batch")
    chosen = values(small_choices(config_of(), FRUITS))
    assert (chosen["model.backbone.frozen_stages"], chosen["model.backbone.norm"]) == (2, "frozen")


@pytest.mark.parametrize(
    ("changes", "side", "buckets"),
    [
        ({}, 256, [[256, 352]]),
        ({"small_object": 0.04}, 416, [[416, 576]]),
        ({"small_object": 0.001}, 480, [[480, 640]]),  # no larger than the images
        ({"portrait": 0.5}, 256, [[256, 352], [352, 256]]),
        ({"portrait": 0.95}, 256, [[352, 256]]),
        ({"ratio": 1.0, "portrait": 0.0}, 256, [[256, 256]]),
        ({"short_side": 100}, 128, [[128, 192]]),
    ],
)
def test_the_input_fits_images_and_objects(changes, side, buckets):
    chosen = values(small_choices(config_of(), facts(**changes)))
    assert (chosen["data.short_side"], chosen["data.buckets"]) == (side, buckets)


def test_anchors_fit_the_objects_unless_they_were_trained():
    assert values(input_choices(config_of(), FRUITS, largest=480))["model.anchors.sizes"] == [16, 32, 64, 128, 256]
    large = facts(small_object=0.3)
    assert values(input_choices(config_of(), large, largest=480))["model.anchors.sizes"] == [32, 64, 128, 256, 512]
    trained = config_of("train.init_checkpoint=some.ckpt")
    assert "model.anchors.sizes" not in values(input_choices(trained, FRUITS, largest=480))


@pytest.mark.parametrize(("images", "epochs"), [(2975, 64), (16551, 17), (118000, 12)])
def test_medium_is_as_long_as_the_published_schedules(images, epochs):
    chosen = values(medium_choices(config_of(), facts(images=images)))
    assert chosen["train.schedule.length"] == epochs
    first, second = chosen["train.schedule.milestones"]
    assert 0 < first < second < epochs
    assert chosen["data.augment.short_sides"][-1] == chosen["data.short_side"] == 480


def test_coco_is_the_1x_configuration():
    config = config_of()
    assert load_config(MASK_RCNN, values(coco_choices(config))) == config


@pytest.mark.parametrize("resize", ["data.augment.scale_jitter=[0.5, 2.0]", "data.keep_ratio=false"])
def test_no_short_sides_where_they_have_no_meaning(resize):
    config = config_of("data.augment.short_sides=[]", resize)
    for choices in (medium_choices(config, FRUITS), coco_choices(config)):
        assert "data.augment.short_sides" not in values(choices)


@pytest.fixture
def data(content, write_coco):  # noqa: F811
    annotations, images = write_coco(content)
    return [f"data.root={images.parent}", f"data.train.annotations={annotations}", f"data.train.images={images}"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_configuration_is_as_if_written_by_hand(data, recipe):
    given = [*data, "train.schedule.base_lr=0.5"]
    overrides, lines = with_recipe(MASK_RCNN, given, recipe)
    config = load_config(MASK_RCNN, overrides)
    assert parse_config(dump_config(config), "by hand") == config
    assert config.train.schedule.base_lr == 0.5
    assert f"recipe {recipe}: train.schedule.base_lr stays 0.5, as given" in lines
    assert sum("as given" in line for line in lines) == 1
    mapping = dict(word.split("=") for word in data) | {"train.schedule.base_lr": 0.5}
    assert load_config(MASK_RCNN, with_recipe(MASK_RCNN, mapping, recipe)[0]) == config
