"""Data sets as MindRecord files: conversion (`python -m mindrcnn.data.mindrecord`) and reading."""
