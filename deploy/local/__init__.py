"""The embedded stack: real PostgreSQL and real Apache Kafka as ordinary processes, without Docker and without Java.

`EmbeddedStack` (in `stack`) is what others use. A newcomer would look for a fake here: there is none, the servers
are the same as in production, only small, in a folder of their own, and on ports of 127.0.0.1 that were free.
"""
