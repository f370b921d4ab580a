"""The small faults that the mutation score counts."""

import ast

from benchmarks.mutants import mutants

SOURCE = b'''"""1 < 2"""
def f(x: "int" = 3) -> int:
    if x and \xc3\xa9 <= 2.0:
        raise ValueError(1 + 2)
    return min(x, -x)
'''


def test_every_expression_but_texts_annotations_and_errors_is_altered() -> None:
    found = mutants(SOURCE)
    assert [(one.line, one.new) for one in found] == [
        (2, "4"),
        (3, "(x or é <= 2.0)"),
        (3, "(é < 2.0)"),
        (3, "4.0"),
        (5, "None"),
        (5, "max(x, -x)"),
        (5, "(x)"),
    ]
    assert len({ast.unparse(ast.parse(one.apply(SOURCE))) for one in found} | {ast.unparse(ast.parse(SOURCE))}) == 8
