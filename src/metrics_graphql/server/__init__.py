"""What both APIs share over ASGI: the request pipeline, caching, admission control, health."""
