"""What the package is measured against, written without it."""
