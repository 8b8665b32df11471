"""What decides: the stages route and notify, and their gates."""
