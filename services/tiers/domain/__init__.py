"""The rules of standing, pure: ladders, the years of a program, what is due, and what a batch decides."""
