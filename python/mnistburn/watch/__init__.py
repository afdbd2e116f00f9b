"""A page that follows a run from its files: `mnistburn watch`."""
