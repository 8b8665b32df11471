"""How the native part of lockstep is compiled: in a checkout, and into a wheel.

Standard library only, but for the hook of the wheel: it runs before the virtual environment exists.
"""
