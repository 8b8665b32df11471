"""Real Kafka, Cassandra and Redis on one machine, without containers: `python3 -m deploy.local up`.

Standard library only: it runs before the virtual environment exists.
"""
