"""From a request to a stream of steps, and the traces that record them."""
