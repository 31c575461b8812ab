"""Images and labels: MNIST found or downloaded, or a loud fallback; never both."""
