"""The blink under attack: single frames of a stream are changed, so that a target is missed."""
