"""Attention and memory over rapid streams of items."""
