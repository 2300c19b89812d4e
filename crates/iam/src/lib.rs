//! ropeway-iam.
