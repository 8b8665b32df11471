"""The pipeline of this moment, from the metrics of the workers themselves."""
