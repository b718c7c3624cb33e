"""An agent at work: claims, signals, speech, and the status that others see."""
