//! ropeway-cloudformation.
