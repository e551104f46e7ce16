"""Voices as a service: an HTTP server that other programs speak to, and a page for people."""
