"""Altered files for every reader and program: each must end in success or in one InputError."""
