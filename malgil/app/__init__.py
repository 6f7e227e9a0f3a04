"""The composition root: settings, wiring, the ASGI app, the command line. The only place that knows everything.

Promises that what is wrong with the settings is said before anything starts. Never holds a rule of the domain.
"""
