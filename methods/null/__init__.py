"""No edit: the control that every change must beat."""
