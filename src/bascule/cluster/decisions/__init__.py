"""Who may act, until when, and who may be next? State, event and time in; state and effects out."""
