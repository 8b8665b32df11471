"""What watches lockstep: objectives, alerts and dashboards, as Python."""
