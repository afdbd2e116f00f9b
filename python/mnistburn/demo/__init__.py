"""A page to try a model on: ``mnistburn demo`` serves it, `mnistburn.export_page` writes it."""
