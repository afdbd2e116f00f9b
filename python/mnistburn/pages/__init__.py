"""What the pages of `mnistburn report` and `mnistburn watch` are made of."""
