"""Every command line of voicemill, one module a command."""
