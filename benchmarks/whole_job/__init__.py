"""What a whole clone costs, stage by stage."""
