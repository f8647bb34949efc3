"""Offline: reads data sets, trains models, measures them and exports them to a model store."""
