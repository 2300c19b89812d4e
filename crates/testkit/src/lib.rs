//! ropeway-testkit.
