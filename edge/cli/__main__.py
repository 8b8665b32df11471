"""`python -m edge.cli`: the command line without the installed script."""

from edge.cli import main

main()
