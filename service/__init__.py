"""The online half: robust classification and certificates over HTTP."""
