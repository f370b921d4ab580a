"""The model zoo's form of predictions.json."""

from pathlib import Path

import pytest

from mindrcnn.evaluation.json_files import write_json
from mindrcnn.evaluation.zoo_predictions import is_zoo_document, zoo_document

PREDICTION = {
    "bbox": {"x_min": 1.0, "y_min": 2.0, "width": 3.0, "height": 4.0},
    "class": {"label": 63, "category_id": 72, "name": "tv"},
    "score": 0.9,
    "mask": {"size": [6, 8], "counts": "abc"},
}
DOCUMENTS = [
    {"file": 'photos/a "1".jpg', "height": 6, "width": 8, "predictions": [PREDICTION]},
    {"file": "photos/b.jpg", "height": 5, "width": 5, "predictions": []},
]


def test_a_map_from_path_with_labels_from_zero() -> None:
    found = zoo_document(DOCUMENTS)
    assert found == {
        'photos/a "1".jpg': {
            "height": 6,
            "width": 8,
            "predictions": [{**PREDICTION, "class": {"label": 62, "category_id": 72, "name": "tv"}}],
        },
        "photos/b.jpg": {"height": 5, "width": 5, "predictions": []},
    }
    assert PREDICTION["class"]["label"] == 63  # the argument is unchanged


@pytest.mark.parametrize("documents", [DOCUMENTS, DOCUMENTS[1:], []])
def test_its_files_are_known_again(tmp_path: Path, documents: list[dict[str, object]]) -> None:
    path = tmp_path / "predictions.json"
    write_json(path, zoo_document(documents))
    assert is_zoo_document(path)


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"images": [{"height": 5}]}', '{"comment": "mine"}'])
def test_other_files_are_not(tmp_path: Path, text: str) -> None:
    path = tmp_path / "predictions.json"
    path.write_text(text)
    assert not is_zoo_document(path)
