"""Small stand-ins for what the code talks to: servers, a controller, a stage."""
