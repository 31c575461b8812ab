"""Published experiments once more: their cells beside ours, and what the papers left open."""
