"""What is measured on a network, each quantity defined once."""
