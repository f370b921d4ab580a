"""Data sets as MindRecord files: conversion (`mindrcnn mindrecord`) and reading."""
