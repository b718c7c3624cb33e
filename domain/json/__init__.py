"""JSON as the domain uses it: pointers, patches, merge patches, differences, and checks of what comes from outside."""
