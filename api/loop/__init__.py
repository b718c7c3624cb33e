"""What a gateway does about its event loop, its clock and its garbage collector."""
