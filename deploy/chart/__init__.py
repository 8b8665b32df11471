"""The Helm chart's generated half: values, their schema and reference, and its copy of topics.yaml."""
