"""The package list, which pyproject.toml alone cannot express: what is under src/, and configs/ as data beside it."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages("src"), "mindrcnn.configs"],
    package_dir={"": "src", "mindrcnn.configs": "configs"},
)
