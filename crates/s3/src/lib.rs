//! ropeway-s3.
