"""An environment: its settings file, its folders, its services."""
