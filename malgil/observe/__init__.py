"""What can be seen of a running Malgil: logs with masking, trace ids, metrics, health checks.

Promises that no secret and no whole e-mail address reaches a log line. Never decides anything for the product.
"""
