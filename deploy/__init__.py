"""How lockstep is run: here on one machine, in images and on Kubernetes."""
