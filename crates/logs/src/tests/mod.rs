//! Tests of the machine and the operations, over a store in memory.
