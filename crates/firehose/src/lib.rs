//! ropeway-firehose.
