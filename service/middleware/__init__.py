"""What wraps every request, outside of the routes: pure ASGI, one concern a file."""
