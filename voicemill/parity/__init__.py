"""Compare voicemill with golden numbers that were recorded from GPT-SoVITS itself."""
