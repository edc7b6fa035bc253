"""The commands of labctl, one module for each verb."""
