//! ropeway-api.
