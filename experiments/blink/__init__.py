"""The attentional blink: two targets in a stream of digits, and what is reported of them."""
