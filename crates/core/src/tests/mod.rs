//! Tests of what is not seen from outside.

mod keys;
mod scan;
mod signals;
