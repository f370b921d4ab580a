"""The keys of the MindSpore model zoo's configurations, and what corresponds to them here."""
