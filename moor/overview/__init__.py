"""An environment on one screen: its machines, its certificates, its services, and what is due."""
