"""What every test needs."""

import signal

# A test run in the background of a shell inherits that Ctrl-C is ignored, and so would every program that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
