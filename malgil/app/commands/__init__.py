"""One module a command of the command line, imported when that command runs."""
