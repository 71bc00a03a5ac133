"""What composes siblings: the audit of anyone's mined set, and training in rounds."""
