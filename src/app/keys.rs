//! The key table: one list that drives dispatch, help, footer and the README. Refuses to act: it names actions.
