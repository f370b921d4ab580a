"""Data sets as MindRecord files: conversion (`python -m mindrcnn.data.formats.mindrecord`) and reading."""
