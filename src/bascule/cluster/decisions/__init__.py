"""Who may act, until when, and who may be next? Pure: state, event and time in; state and effects out."""
