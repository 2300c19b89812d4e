//! ropeway-sqs.
