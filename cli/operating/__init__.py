"""What an operator does beside gateways: tenants, tokens and keys, and looking for what is wrong."""
